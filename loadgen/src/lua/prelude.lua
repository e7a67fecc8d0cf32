-- The global table `wrk`, what it does by itself, and what scripts written for wrk and wrk2 expect to be there.
-- Called with a table of what the command line and the program give.
local given = ...
local concat, pairs, tostring, type = table.concat, pairs, tostring, type

wrk = {
    scheme = given.scheme,
    host = given.host,
    port = given.port,
    method = given.method,
    path = given.path,
    headers = given.headers,
    body = given.body,
    lookup = given.lookup,
    connect = given.connect,
    time_us = given.time_us,
}

-- The text of a request; whatever is left out is wrk's. Completes the table of headers in place, as scripts know it.
function wrk.format(method, path, headers, body)
    headers, body = headers or wrk.headers, body or wrk.body
    body = body and body .. ""
    if not headers.Host then
        headers.Host = wrk.headers.Host
    end
    headers["Content-Length"] = body and #body
    local text = { tostring(method or wrk.method) .. " " .. tostring(path or wrk.path) .. " HTTP/1.1\r\n" }
    local count = 1
    for name, value in pairs(headers) do
        count = count + 1
        text[count] = tostring(name) .. ": " .. tostring(value) .. "\r\n"
    end
    text[count + 1] = "\r\n"
    text[count + 2] = body or ""
    return concat(text)
end

-- The addresses that take a connection.
function wrk.resolve(host, service)
    local addrs = {}
    for _, addr in ipairs(wrk.lookup(host, service)) do
        if wrk.connect(addr) then
            addrs[#addrs + 1] = addr
        end
    end
    rawset(wrk, "addrs", addrs)
end

-- Few scripts look at the addresses, and finding them connects to each.
setmetatable(wrk, {
    __index = function(_, name)
        if name == "addrs" then
            wrk.resolve(wrk.host, wrk.port or wrk.scheme)
            return rawget(wrk, "addrs")
        end
    end,
})

function wrk.setup(thread)
    if type(setup) == "function" then
        setup(thread)
    end
end

function wrk.init(args)
    if not wrk.headers.Host then
        local host = wrk.host:find(":", 1, true) and "[" .. wrk.host .. "]" or wrk.host
        wrk.headers.Host = wrk.port and host .. ":" .. wrk.port or host
    end
    if type(init) == "function" then
        init(args)
    end
    local fixed = wrk.format()
    wrk.request = function()
        return fixed
    end
end

-- Scripts seed from the wall clock. Runs are to be repeatable all the same, and no two workers alike: each call takes
-- the next of this worker's own seeds, whatever it is told.
if given.next_seed then
    local seed = math.randomseed
    math.randomseed = function()
        seed(given.next_seed())
    end
    math.randomseed()
end

-- What scripts use of LuaSocket. Its older versions set a global, too, which some scripts rely on.
package.preload.socket = function()
    socket = { gettime = given.gettime, sleep = given.sleep }
    return socket
end

if given.prints_to_stderr then
    io.output(io.stderr)
    io.stdout = io.stderr
    print = function(...)
        local words = { ... }
        for i = 1, select("#", ...) do
            words[i] = tostring(words[i])
        end
        io.stderr:write(concat(words, "\t"), "\n")
    end
end

-- Hooks are looked up at each call: a script may replace them as it goes on.
return {
    request = function()
        return request()
    end,
    response = function(status, headers, body)
        response(status, headers, body)
    end,
    delay = function()
        return delay()
    end,
}
