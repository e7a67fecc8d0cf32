//! Many shards' records as one load's: counts and histograms are added, quantiles are taken from the sums.

use aefm_collector::records::{self, RecordError, Times, quantiles};
use aefm_workloads::load::{LoadSecond, LoadSummary, Outcome, Phase, Verdict};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;

/// The summary of a load from those of its shards (in their order) and all their seconds.
///
/// # Errors
/// When a histogram cannot be read.
pub(super) fn merge(
    shards: &[LoadSummary],
    seconds: &[LoadSecond],
) -> Result<Option<LoadSummary>, RecordError> {
    let Some(first) = shards.first() else {
        return Ok(None);
    };
    if shards.len() == 1 {
        return Ok(Some(first.clone()));
    }
    let measured = || {
        seconds
            .iter()
            .filter(|second| second.phase == Phase::Measure)
    };
    let mut outcomes: BTreeMap<Outcome, u64> = BTreeMap::new();
    for (outcome, count) in shards.iter().flat_map(|shard| &shard.outcomes) {
        *outcomes.entry(*outcome).or_default() += count;
    }
    let say = |(at, text): (usize, &String)| format!("shard {at}: {text}");
    let reasons = shards
        .iter()
        .enumerate()
        .flat_map(|(at, shard)| shard.reasons.iter().map(move |reason| say((at, reason))));
    let errors = shards
        .iter()
        .enumerate()
        .filter_map(|(at, shard)| Some(say((at, shard.requests_error.as_ref()?))));
    let errors: Vec<_> = errors.collect();
    Ok(Some(LoadSummary {
        scheduled: shards.iter().map(|shard| shard.scheduled).sum(),
        intended: shards.iter().map(|shard| shard.intended).sum(),
        outcomes,
        rate_sent_hz: shards.iter().map(|shard| shard.rate_sent_hz).sum(),
        response_time_us: quantiles(&records::merge(measured(), Times::Response)?),
        service_time_us: quantiles(&records::merge(measured(), Times::Service)?),
        send_lag_us: quantiles(&records::merge(measured(), Times::Lag)?),
        generator_time_us: quantiles(&records::merge(measured(), Times::Generator)?),
        stalls: shards
            .iter()
            .flat_map(|shard| shard.stalls.clone())
            .collect(),
        verdict: if shards.iter().all(|shard| shard.verdict == Verdict::Valid) {
            Verdict::Valid
        } else {
            Verdict::Suspect
        },
        reasons: reasons.collect(),
        schedule_sha256: fingerprint(shards),
        requests_not_logged: shards.iter().map(|shard| shard.requests_not_logged).sum(),
        requests_error: (!errors.is_empty()).then(|| errors.join("; ")),
        interrupted: shards.iter().any(|shard| shard.interrupted),
    }))
}

/// SHA-256 over the shards' own.
fn fingerprint(shards: &[LoadSummary]) -> String {
    let mut digest = Sha256::new();
    shards
        .iter()
        .for_each(|shard| digest.update(shard.schedule_sha256.as_bytes()));
    digest
        .finalize()
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use aefm_workloads::load::Quantiles;
    use base64::Engine as _;
    use hdrhistogram::Histogram;
    use hdrhistogram::serialization::{Serializer, V2Serializer};
    use proptest::prelude::*;

    fn hdr(values: &[u64]) -> String {
        let mut histogram = Histogram::<u64>::new_with_bounds(1_000, 3_600_000_000_000, 3).unwrap();
        values
            .iter()
            .for_each(|value| histogram.record(*value).unwrap());
        let mut bytes = Vec::new();
        V2Serializer::new()
            .serialize(&histogram, &mut bytes)
            .unwrap();
        base64::engine::general_purpose::STANDARD.encode(bytes)
    }

    fn second(shard: u32, response: &[u64]) -> LoadSecond {
        let count = response.len() as u64;
        LoadSecond {
            shard,
            phase: Phase::Measure,
            second: 0,
            intended: count,
            sent: count,
            outcomes: [(Outcome::Ok, count)].into(),
            bytes: 0,
            response_hdr: hdr(response),
            service_hdr: hdr(response),
            lag_hdr: hdr(&[]),
            generator_hdr: hdr(&[]),
        }
    }

    fn summary(count: u64, verdict: Verdict) -> LoadSummary {
        LoadSummary {
            scheduled: count,
            intended: count,
            outcomes: [(Outcome::Ok, count)].into(),
            rate_sent_hz: 10.0,
            response_time_us: Quantiles::default(),
            service_time_us: Quantiles::default(),
            send_lag_us: Quantiles::default(),
            generator_time_us: Quantiles::default(),
            stalls: Vec::new(),
            verdict,
            reasons: if verdict == Verdict::Suspect {
                vec!["late".into()]
            } else {
                Vec::new()
            },
            schedule_sha256: "ab".into(),
            requests_not_logged: 1,
            requests_error: None,
            interrupted: false,
        }
    }

    proptest! {
        #[test]
        fn shards_together_are_as_one_that_saw_all(
            one in prop::collection::vec(1_000_u64..10_000_000_000, 1..200), two in prop::collection::vec(1_000_u64..10_000_000_000, 1..200),
        ) {
            let (a, b) = (one.len() as u64, two.len() as u64);
            let merged = merge(&[summary(a, Verdict::Valid), summary(b, Verdict::Valid)], &[second(0, &one), second(1, &two)]);
            let merged = merged.unwrap().unwrap();
            let whole = records::merge(&[second(0, &[one, two].concat())], Times::Response).unwrap();
            prop_assert_eq!(merged.response_time_us, quantiles(&whole));
            prop_assert_eq!((merged.intended, merged.outcomes[&Outcome::Ok], merged.requests_not_logged), (a + b, a + b, 2));
            prop_assert_eq!(merged.rate_sent_hz, 20.0);
        }
    }

    #[test]
    fn one_doubtful_shard_makes_the_load_doubtful_and_is_named() {
        let shards = [summary(1, Verdict::Valid), summary(1, Verdict::Suspect)];
        let merged = merge(&shards, &[second(0, &[5_000]), second(1, &[5_000])])
            .unwrap()
            .unwrap();
        assert_eq!(
            (merged.verdict, merged.reasons),
            (Verdict::Suspect, vec!["shard 1: late".to_owned()])
        );
        assert_eq!(merge(&shards[..1], &[]).unwrap().as_ref(), Some(&shards[0]));
        assert_eq!(merge(&[], &[]).unwrap(), None);
    }
}
