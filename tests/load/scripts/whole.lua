-- A whole string of its own, byte for byte.
local n = 0

function request()
    n = n + 1
    local body = string.rep("x", n % 4)
    return "POST /whole?" .. n .. " HTTP/1.1\r\nhost: a.b\r\nX-B:  two  \r\nx-a: one\r\nContent-Length: " .. #body
        .. "\r\n\r\n" .. body
end
