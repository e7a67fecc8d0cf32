//! Tables of what others measured: Prometheus, and sources of the user's own.

use super::super::remote::{Answer, Rows, Samples};
use super::Writing;
use crate::experiment::tables::PROMQL;
use crate::report::Status;
use aefm_collector::proc::MetricRow;
use aefm_collector::prometheus::{Series, write_expressions, write_usage};
use aefm_collector::records::QualityRow;
use aefm_collector::schema::ColumnType;
use aefm_collector::user::{Format, write_user_table};

impl Writing<'_> {
    /// Writes `usage` and the user's expressions; gives back the rows for `metrics`.
    pub(in crate::gather) fn samples(&mut self, answer: Answer<Samples>) -> Vec<MetricRow> {
        let samples = match answer {
            Ok(samples) => samples,
            Err(reason) => {
                self.degrade("prometheus", format!("failed to {reason}"));
                return Vec::new();
            }
        };
        let (asked, answered) = (samples.asked, samples.answered);
        let is_whole = samples.troubles.is_empty();
        let reasons: Vec<String> = samples
            .troubles
            .into_iter()
            .chain(samples.remarks)
            .collect();
        let reason = (!reasons.is_empty()).then(|| reasons.join("; "));
        if !is_whole {
            self.note(
                "prometheus",
                Status::Degraded,
                reason.clone().unwrap_or_default(),
            );
        }
        self.quality.push(QualityRow {
            source: "prometheus".to_owned(),
            expected: Some(asked),
            received: Some(answered),
            missing: Some(asked.saturating_sub(answered)),
            status: if is_whole {
                Status::Ok
            } else {
                Status::Degraded
            },
            reason,
        });
        if let Err(error) = write_usage(self.dir(), &self.case.labels, &samples.usage) {
            self.note("usage", Status::Failed, format!("failed to {error}"));
        }
        self.expressions(samples.expressions);
        samples.metrics
    }

    fn expressions(&mut self, expressions: Vec<(String, Answer<Vec<Series>>)>) {
        if expressions.is_empty() {
            return;
        }
        let source = format!("user_{PROMQL}");
        let (mut columns, mut empty, mut failed) = (Vec::new(), Vec::new(), Vec::new());
        for (name, values) in expressions {
            let values = values.unwrap_or_else(|reason| {
                self.degrade(&source, format!("failed to evaluate {reason}"));
                failed.push(format!("`{name}`"));
                Vec::new()
            });
            empty.extend(values.is_empty().then(|| format!("`{name}`")));
            // One without values keeps its column, so that all cases have the same ones.
            columns.push((name, values));
        }
        empty.retain(|name| !failed.contains(name));
        let is_whole = empty.is_empty();
        let reason = (!is_whole).then(|| {
            format!(
                "no series came of {}: are its metrics spelt like this?",
                empty.join(", ")
            )
        });
        if let Some(reason) = &reason {
            self.note(&source, Status::Degraded, reason.clone());
        }
        match write_expressions(self.dir(), &self.case.labels, PROMQL, &columns) {
            Ok(written) => self.quality.push(QualityRow {
                source,
                expected: None,
                received: Some(written.rows),
                missing: None,
                status: if is_whole {
                    Status::Ok
                } else {
                    Status::Degraded
                },
                reason,
            }),
            Err(error) => self.note(&source, Status::Failed, format!("failed to {error}")),
        }
    }

    /// Writes a table of the user's own.
    pub(in crate::gather) fn table(
        &mut self,
        name: &str,
        format: Format,
        declared: &[(String, ColumnType)],
        answer: Answer<Rows>,
    ) {
        let source = format!("user_{name}");
        let rows = match answer {
            Ok(rows) => rows,
            Err(reason) => return self.degrade(&source, format!("failed to {reason}")),
        };
        if let Some(fault) = &rows.fault {
            self.degrade(&source, format!("failed to {fault}"));
        }
        match write_user_table(
            self.dir(),
            &self.case.labels,
            name,
            (format, &rows.bytes),
            declared,
        ) {
            Ok(report) => {
                for without in report.without {
                    self.degrade(&source, format!("left out {without}"));
                }
                if report.came == 0 {
                    self.quality.push(QualityRow {
                        source,
                        expected: Some(0),
                        received: Some(0),
                        missing: Some(0),
                        status: Status::Ok,
                        reason: Some("it has no rows".to_owned()),
                    });
                    return;
                }
                let fault = report.fault.unwrap_or_default();
                self.count(&source, report.came, report.written, |missing| {
                    format!("{missing} of {} rows cannot be read: {fault}", report.came)
                });
            }
            Err(error) => self.degrade(&source, format!("failed to {error}")),
        }
    }

    /// A source that did not give what it should.
    fn degrade(&mut self, source: &str, reason: String) {
        self.quality
            .push(QualityRow::failed(source, reason.clone()));
        self.note(source, Status::Degraded, reason);
    }
}
