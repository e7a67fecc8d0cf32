//! The rule that null is absent, as a deserializer around serde_json's.

use serde::de::value::{MapDeserializer, SeqDeserializer};
use serde::de::{DeserializeSeed, Deserializer, EnumAccess, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, forward_to_deserialize_any};
use std::fmt;
use std::iter::empty;
use std::marker::PhantomData;

/// A deserializer whose nulls are the defaults of what is asked for.
pub(super) struct Present<D>(pub(super) D);

/// What is asked for.
#[derive(Clone, Copy)]
enum Wanted {
    Flag,
    Whole,
    Real,
    Text,
    OwnText,
    List,
    /// A list that keeps its nulls, which have a place in it.
    Places,
    Map,
    Struct(&'static str, &'static [&'static str]),
}

macro_rules! wanted {
    ($($method:ident($($name:ident: $kind:ty),*) $wanted:expr;)*) => {$(
        #[inline]
        fn $method<V: Visitor<'de>>(self, $($name: $kind,)* visitor: V) -> Result<V::Value, D::Error> {
            self.0.deserialize_option(OrDefault { visitor, wanted: $wanted })
        }
    )*};
}

impl<'de, D: Deserializer<'de>> Deserializer<'de> for Present<D> {
    type Error = D::Error;

    wanted! {
        deserialize_bool() Wanted::Flag;
        deserialize_i8() Wanted::Whole;
        deserialize_i16() Wanted::Whole;
        deserialize_i32() Wanted::Whole;
        deserialize_i64() Wanted::Whole;
        deserialize_u8() Wanted::Whole;
        deserialize_u16() Wanted::Whole;
        deserialize_u32() Wanted::Whole;
        deserialize_u64() Wanted::Whole;
        deserialize_f32() Wanted::Real;
        deserialize_f64() Wanted::Real;
        deserialize_char() Wanted::Text;
        deserialize_str() Wanted::Text;
        deserialize_string() Wanted::OwnText;
        deserialize_seq() Wanted::List;
        deserialize_tuple(_length: usize) Wanted::Places;
        deserialize_tuple_struct(_name: &'static str, _length: usize) Wanted::Places;
        deserialize_map() Wanted::Map;
        deserialize_struct(name: &'static str, fields: &'static [&'static str]) Wanted::Struct(name, fields);
    }

    fn deserialize_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_any(Inside::<V, false>(visitor))
    }

    fn deserialize_option<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_option(Inside::<V, false>(visitor))
    }

    fn deserialize_newtype_struct<V: Visitor<'de>>(
        self,
        name: &'static str,
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        if name.starts_with('$') {
            // serde_json's raw value: it is not read, only cut out.
            return self.0.deserialize_newtype_struct(name, visitor);
        }
        visitor.visit_newtype_struct(self)
    }

    fn deserialize_enum<V: Visitor<'de>>(
        self,
        name: &'static str,
        variants: &'static [&'static str],
        visitor: V,
    ) -> Result<V::Value, D::Error> {
        self.0.deserialize_enum(name, variants, visitor)
    }

    fn deserialize_identifier<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_identifier(visitor)
    }

    fn deserialize_ignored_any<V: Visitor<'de>>(self, visitor: V) -> Result<V::Value, D::Error> {
        self.0.deserialize_ignored_any(visitor)
    }

    forward_to_deserialize_any! { i128 u128 bytes byte_buf unit unit_struct }
}

/// Takes what is there, or the default in place of null.
struct OrDefault<V> {
    visitor: V,
    wanted: Wanted,
}

impl<'de, V: Visitor<'de>> Visitor<'de> for OrDefault<V> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.visitor.expecting(formatter)
    }

    #[inline]
    fn visit_some<D: Deserializer<'de>>(self, there: D) -> Result<V::Value, D::Error> {
        let visitor = self.visitor;
        match self.wanted {
            Wanted::Flag => there.deserialize_bool(visitor),
            // The width is the visitor's to check: JSON has but one kind of whole number.
            Wanted::Whole => there.deserialize_i64(visitor),
            Wanted::Real => there.deserialize_f64(visitor),
            Wanted::Text => there.deserialize_str(visitor),
            Wanted::OwnText => there.deserialize_string(visitor),
            Wanted::List => there.deserialize_seq(Inside::<V, false>(visitor)),
            Wanted::Places => there.deserialize_seq(Inside::<V, true>(visitor)),
            Wanted::Map => there.deserialize_map(Inside::<V, false>(visitor)),
            Wanted::Struct(name, fields) => {
                there.deserialize_struct(name, fields, Inside::<V, false>(visitor))
            }
        }
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        let visitor = self.visitor;
        match self.wanted {
            Wanted::Flag => visitor.visit_bool(false),
            Wanted::Whole => visitor.visit_u64(0),
            Wanted::Real => visitor.visit_f64(0.0),
            Wanted::Text | Wanted::OwnText => visitor.visit_borrowed_str(""),
            Wanted::List | Wanted::Places => visitor.visit_seq(SeqDeserializer::new(empty::<u8>())),
            Wanted::Map | Wanted::Struct(..) => {
                visitor.visit_map(MapDeserializer::new(empty::<(u8, u8)>()))
            }
        }
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.visit_none()
    }
}

/// A visitor that sees the rule kept within lists and maps, too.
struct Inside<V, const KEEPS_NULLS: bool>(V);

macro_rules! pass_on {
    ($($method:ident($kind:ty);)*) => {$(
        fn $method<E: serde::de::Error>(self, value: $kind) -> Result<V::Value, E> {
            self.0.$method(value)
        }
    )*};
}

impl<'de, V: Visitor<'de>, const KEEPS_NULLS: bool> Visitor<'de> for Inside<V, KEEPS_NULLS> {
    type Value = V::Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.expecting(formatter)
    }

    pass_on! {
        visit_bool(bool);
        visit_i64(i64);
        visit_u64(u64);
        visit_f64(f64);
        visit_str(&str);
        visit_borrowed_str(&'de str);
        visit_string(String);
    }

    fn visit_none<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_none()
    }

    fn visit_unit<E: serde::de::Error>(self) -> Result<V::Value, E> {
        self.0.visit_unit()
    }

    fn visit_some<D: Deserializer<'de>>(self, there: D) -> Result<V::Value, D::Error> {
        self.0.visit_some(Present(there))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, elements: A) -> Result<V::Value, A::Error> {
        self.0.visit_seq(Elements::<A, KEEPS_NULLS>(elements))
    }

    fn visit_map<A: MapAccess<'de>>(self, members: A) -> Result<V::Value, A::Error> {
        self.0.visit_map(Members(members))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, variant: A) -> Result<V::Value, A::Error> {
        self.0.visit_enum(variant)
    }
}

struct Elements<A, const KEEPS_NULLS: bool>(A);

impl<'de, A: SeqAccess<'de>, const KEEPS_NULLS: bool> SeqAccess<'de> for Elements<A, KEEPS_NULLS> {
    type Error = A::Error;

    fn next_element_seed<T: DeserializeSeed<'de>>(
        &mut self,
        seed: T,
    ) -> Result<Option<T::Value>, A::Error> {
        if KEEPS_NULLS {
            return self.0.next_element_seed(Under(seed));
        }
        let mut seed = Some(seed);
        loop {
            match self.0.next_element_seed(IfThere(&mut seed))? {
                None => return Ok(None),
                // It is null: the one after it is the next.
                Some(None) => {}
                Some(there) => return Ok(there),
            }
        }
    }
}

struct Members<A>(A);

impl<'de, A: MapAccess<'de>> MapAccess<'de> for Members<A> {
    type Error = A::Error;

    fn next_key_seed<K: DeserializeSeed<'de>>(
        &mut self,
        seed: K,
    ) -> Result<Option<K::Value>, A::Error> {
        self.0.next_key_seed(seed)
    }

    fn next_value_seed<T: DeserializeSeed<'de>>(&mut self, seed: T) -> Result<T::Value, A::Error> {
        self.0.next_value_seed(Under(seed))
    }
}

/// A seed under the rule.
struct Under<T>(T);

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for Under<T> {
    type Value = T::Value;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<T::Value, D::Error> {
        self.0.deserialize(Present(deserializer))
    }
}

/// A seed that is used where there is something else than null, and is left for the next element where not.
struct IfThere<'a, T>(&'a mut Option<T>);

impl<'de, T: DeserializeSeed<'de>> DeserializeSeed<'de> for IfThere<'_, T> {
    type Value = Option<T::Value>;

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<Self::Value, D::Error> {
        deserializer.deserialize_option(self)
    }
}

impl<'de, T: DeserializeSeed<'de>> Visitor<'de> for IfThere<'_, T> {
    type Value = Option<T::Value>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("an element")
    }

    fn visit_some<D: Deserializer<'de>>(self, there: D) -> Result<Self::Value, D::Error> {
        let seed = self.0.take();
        seed.map(|seed| seed.deserialize(Present(there)))
            .transpose()
    }

    fn visit_none<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

/// A list in which null has a place: values that were recorded, not members that could be absent.
#[derive(Clone, Debug)]
pub(crate) struct WithNulls<T>(pub(crate) Vec<T>);

impl<T> Default for WithNulls<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

struct WithNullsVisitor<T>(PhantomData<T>);

impl<'de, T: Deserialize<'de>> Visitor<'de> for WithNullsVisitor<T> {
    type Value = WithNulls<T>;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a list")
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut elements: A) -> Result<Self::Value, A::Error> {
        let mut list = Vec::new();
        while let Some(element) = elements.next_element()? {
            list.push(element);
        }
        Ok(WithNulls(list))
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WithNulls<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_tuple_struct("WithNulls", 0, WithNullsVisitor(PhantomData))
    }
}
