-- A counter: the program itself calls request() once before the run, and the count shows it.
local n = 0

function request()
    n = n + 1
    wrk.headers["X-N"] = n
    return wrk.format(nil, "/n/" .. n)
end
