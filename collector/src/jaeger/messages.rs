//! The messages of `jaeger.api_v3.QueryService` that we send and read, with the fields that we use.

/// `google.protobuf.Timestamp` and `Duration`: seconds and nanoseconds.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Time {
    #[prost(int64, tag = "1")]
    pub(super) seconds: i64,
    #[prost(int32, tag = "2")]
    pub(super) nanos: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct FindTraces {
    #[prost(message, optional, tag = "1")]
    pub(super) query: Option<Parameters>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Parameters {
    #[prost(string, tag = "1")]
    pub(super) service_name: String,
    #[prost(string, tag = "2")]
    pub(super) operation_name: String,
    #[prost(message, optional, tag = "4")]
    pub(super) start_time_min: Option<Time>,
    #[prost(message, optional, tag = "5")]
    pub(super) start_time_max: Option<Time>,
    #[prost(message, optional, tag = "6")]
    pub(super) duration_min: Option<Time>,
    #[prost(message, optional, tag = "7")]
    pub(super) duration_max: Option<Time>,
    #[prost(int32, tag = "8")]
    pub(super) search_depth: i32,
    #[prost(bool, tag = "9")]
    pub(super) raw_traces: bool,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct GetTrace {
    #[prost(string, tag = "1")]
    pub(super) trace_id: String,
    #[prost(bool, tag = "4")]
    pub(super) raw_traces: bool,
}

/// `GetServicesResponse` and, as requests, `GetOperationsRequest`.
#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Texts {
    #[prost(string, repeated, tag = "1")]
    pub(super) texts: Vec<String>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Operations {
    #[prost(message, repeated, tag = "1")]
    pub(super) operations: Vec<Text>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(super) struct Text {
    #[prost(string, tag = "1")]
    pub(super) text: String,
}
