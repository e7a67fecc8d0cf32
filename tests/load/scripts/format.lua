-- wrk.format() with everything left out in turn. It fills in Host and Content-Length in the table it gets.
local n = 0
local own = { ["X-Own"] = "yes" }

function request()
    n = n + 1
    if n % 5 == 0 then
        return wrk.format()
    elseif n % 5 == 1 then
        return wrk.format("POST", "/own", own, "a=" .. n)
    elseif n % 5 == 2 then
        return wrk.format("DELETE", "/own", own)
    elseif n % 5 == 3 then
        return wrk.format("POST", nil, nil, "")
    end
    return wrk.format("PATCH", "/new?" .. n, { Host = "else.where", Accept = "*/*" }, 12.5)
end
