-- setup() gives each thread a value, init() and request() use it, done() reads others back.
local threads = {}

function setup(thread)
    thread:set("id", #threads + 1)
    thread:set("given", "b")
    threads[#threads + 1] = thread
end

function init(args)
    sent = 0
    heard = 0
end

function request()
    sent = sent + 1
    return wrk.format("GET", "/" .. id .. "/" .. given)
end

function response()
    heard = heard + 1
end

function done(summary, latency, requests)
    local sum = 0
    for _, thread in ipairs(threads) do
        sum = sum + thread:get("heard")
    end
    print("threads", #threads, "heard", sum, "sent", threads[1]:get("sent") > 0)
    print("requests", summary.requests, "bytes", summary.bytes > 0, "duration", summary.duration > 0)
    print("errors", summary.errors.connect + summary.errors.read + summary.errors.write, summary.errors.status,
        summary.errors.timeout)
    local ordered = latency.min <= latency:percentile(50) and latency:percentile(50) <= latency:percentile(99.9)
        and latency:percentile(99.9) <= latency.max and latency.min <= latency.mean and latency.mean <= latency.max
    print("latency", ordered, latency.stdev >= 0, latency.min > 0, requests.max > 0)
    io.write("through\n")
end
