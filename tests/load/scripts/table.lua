-- No request(): what is sent follows from the table `wrk`, and from what init() did to it.
wrk.method = "PUT"
wrk.headers["X-One"] = "1"

function init(args)
    wrk.body = "args=" .. #args .. "," .. args[1] .. "," .. args[2]
    wrk.headers["X-Scheme"] = wrk.scheme
    wrk.headers["X-Path"] = wrk.path
end
