//! Values on their way from one virtual machine to another: what `thread:set` and `thread:get` copy.

use mlua::{Lua, Value};

/// Tables within tables are copied this deep: a table that contains itself would have no end.
const DEPTH_MAX: usize = 64;

/// A value that belongs to no machine.
pub(super) enum Copied {
    Nil,
    Boolean(bool),
    Number(f64),
    Text(Vec<u8>),
    Table(Vec<(Self, Self)>),
}

impl Copied {
    /// Takes a value out of its machine.
    pub(super) fn take(value: &Value) -> mlua::Result<Self> {
        Self::take_within(value, DEPTH_MAX)
    }

    fn take_within(value: &Value, depth: usize) -> mlua::Result<Self> {
        Ok(match value {
            Value::Nil => Self::Nil,
            Value::Boolean(value) => Self::Boolean(*value),
            Value::Integer(value) => Self::Number(*value as f64),
            Value::Number(value) => Self::Number(*value),
            Value::String(text) => Self::Text(text.as_bytes().to_vec()),
            Value::Table(_) if depth == 0 => {
                return Err(mlua::Error::runtime(
                    "cannot copy a table that is nested more than 64 deep",
                ));
            }
            Value::Table(table) => {
                let mut pairs = Vec::new();
                for pair in table.pairs::<Value, Value>() {
                    let (key, value) = pair?;
                    pairs.push((
                        Self::take_within(&key, depth - 1)?,
                        Self::take_within(&value, depth - 1)?,
                    ));
                }
                Self::Table(pairs)
            }
            other => {
                return Err(mlua::Error::runtime(format!(
                    "cannot copy a {} to or from a thread: it takes nil, booleans, numbers, strings and tables of them",
                    other.type_name()
                )));
            }
        })
    }

    /// Puts the value into a machine.
    pub(super) fn put(&self, lua: &Lua) -> mlua::Result<Value> {
        Ok(match self {
            Self::Nil => Value::Nil,
            Self::Boolean(value) => Value::Boolean(*value),
            Self::Number(value) => Value::Number(*value),
            Self::Text(text) => Value::String(lua.create_string(text)?),
            Self::Table(pairs) => {
                let table = lua.create_table()?;
                for (key, value) in pairs {
                    table.raw_set(key.put(lua)?, value.put(lua)?)?;
                }
                Value::Table(table)
            }
        })
    }
}
