-- Three requests in a string.
local n = 0

function request()
    n = n + 1
    return wrk.format("GET", "/a" .. n) .. wrk.format("POST", "/b" .. n, nil, "body") .. wrk.format("GET", "/c" .. n)
end
