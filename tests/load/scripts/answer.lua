-- What response() heard goes into the next request.
local heard = "none"

function request()
    return wrk.format("GET", "/after/" .. heard, { ["X-Token"] = heard })
end

function response(status, headers, body)
    heard = status .. "-" .. headers["X-Token"] .. "-" .. body
end
