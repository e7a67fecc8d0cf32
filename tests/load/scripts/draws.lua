-- Draws. Scripts seed from the clock; here it is a number, so that two programs can be compared.
local socket = require("socket")
assert(socket.gettime() > 0)
math.randomseed(7)

function request()
    return wrk.format("GET", "/" .. math.random(1000000) .. "?" .. string.format("%.6f", math.random()))
end
