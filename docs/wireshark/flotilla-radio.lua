-- Wireshark dissector of what `flotilla --pcap` captures on the air (link type USER0). See README.md beside it.
--
-- A packet is a header of 20 bytes (netsim/src/pcapng.rs) and the bytes behind the address as they are on the air:
-- whitened, first bit lowest. How a radio is set is not on the air. So forms that are in use are tried, with every
-- initial value of the whitening register; that form is taken whose length field and CRC are right. Comments of the packet
-- tell who received it.

local bxor = bit32 and bit32.bxor or bit and bit.bxor or load("return function(a, b) return a ~ b end")()

local PHYS = {
    [0] = "Nordic 1 Mbit/s", [1] = "Nordic 2 Mbit/s", [2] = "Nordic 250 kbit/s", [3] = "BLE 1 Mbit/s",
    [4] = "IEEE 802.15.4",
}
local BLE = 3
local HEADER = 20

local radio = Proto("flotilla", "Flotilla radio")
local f = radio.fields
f.version = ProtoField.uint8("flotilla.version", "Version of the header")
f.phy = ProtoField.uint8("flotilla.phy", "Physical layer", base.DEC, PHYS)
f.frequency = ProtoField.uint16("flotilla.frequency", "Frequency in MHz")
f.channel = ProtoField.uint16("flotilla.channel", "Channel (MHz above 2400)")
f.power = ProtoField.int8("flotilla.power", "Transmit power in dBm")
f.node = ProtoField.uint32("flotilla.node", "Number of the sender")
f.sender = ProtoField.string("flotilla.sender", "Sender")
f.address = ProtoField.bytes("flotilla.address", "Address, as on the air")
f.aborted = ProtoField.string("flotilla.aborted", "Broken off at")
f.bytes = ProtoField.bytes("flotilla.bytes", "Bytes on the air")
f.form = ProtoField.string("flotilla.form", "Form of packet")
f.whitening = ProtoField.uint8("flotilla.whitening", "Whitening began with", base.HEX)
f.s0 = ProtoField.uint8("flotilla.s0", "S0", base.HEX)
f.length = ProtoField.uint8("flotilla.length", "Length")
f.s1 = ProtoField.uint8("flotilla.s1", "S1", base.HEX)
f.payload = ProtoField.bytes("flotilla.payload", "Payload")
f.crc = ProtoField.uint32("flotilla.crc", "CRC", base.HEX)
f.crc_ok = ProtoField.bool("flotilla.crc.ok", "CRC is right as sent")
f.receiver = ProtoField.string("flotilla.receiver", "Receiver")
f.rssi = ProtoField.int8("flotilla.rssi", "Signal in dBm")
f.fate = ProtoField.string("flotilla.fate", "Fate")
f.received = ProtoField.bool("flotilla.received", "Received whole")

local undecoded = ProtoExpert.new("flotilla.undecoded", "No known form of packet has this length and CRC",
    expert.group.UNDECODED, expert.severity.NOTE)
radio.experts = { undecoded }

local p = radio.prefs
p.own = Pref.bool("Try a form of my own first", false, "What the sender has in PCNF0, PCNF1 and CRCCNF")
p.s0 = Pref.uint("S0LEN in bytes", 0, "0 or 1")
p.lf = Pref.uint("LFLEN in bits", 8, "0 to 8")
p.s1 = Pref.uint("S1LEN in bits", 0, "0 to 8")
p.stat = Pref.uint("STATLEN in bytes", 0, "Payload beyond the length field's")
p.big = Pref.bool("ENDIAN: most significant bit first", false, "")
p.crc = Pref.uint("CRC in bytes", 2, "0 to 3")
p.poly = Pref.string("CRCPOLY", "11021", "Hexadecimal")
p.init = Pref.string("CRCINIT", "ffff", "Hexadecimal")
p.skip = Pref.bool("SKIPADDR: the CRC leaves the address out", false, "")

-- The micro:bit's (MakeCode, MicroPython), and Nordic's Enhanced ShockBurst and Gazell.
local FORMS = {
    { name = "length of 8 bits, CRC-16, as the micro:bit's", plain = true, s0 = 0, lf = 8, s1 = 0, stat = 0, crc = 2, poly = 0x11021, init = 0xffff },
    { name = "Enhanced ShockBurst", s0 = 0, lf = 6, s1 = 3, stat = 0, big = true, crc = 2, poly = 0x11021, init = 0xffff },
}

local function forms()
    if not p.own then return FORMS end
    local own = {
        name = "as set", s0 = p.s0, lf = p.lf, s1 = p.s1, stat = p.stat, big = p.big, crc = p.crc,
        poly = tonumber(p.poly, 16) or 0, init = tonumber(p.init, 16) or 0, skip = p.skip,
    }
    return { own, FORMS[1], FORMS[2] }
end

-- The bits of a buffer in the order in which they are on the air.
local function bits_of(range)
    local bits = {}
    for i = 0, range:len() - 1 do
        local byte = range(i, 1):uint()
        for _ = 1, 8 do
            bits[#bits + 1] = byte % 2
            byte = math.floor(byte / 2)
        end
    end
    return bits
end

-- A copy with whitening undone (nRF51 reference manual, 17.1.6); `iv` nil: there is none.
local function dewhiten(bits, iv)
    if not iv then return bits end
    local out, reg = {}, iv
    for i, b in ipairs(bits) do
        local white = reg % 2
        reg = math.floor(reg / 2)
        if white == 1 then reg = bxor(reg, 0x44) end
        out[i] = bxor(b, white)
    end
    return out
end

-- A number of `width` bits from place `at` on.
local function number(bits, at, width, big)
    local n, weight = 0, 1
    for i = 0, width - 1 do
        local b = bits[at + i] or 0
        if big then n = n * 2 + b else n, weight = n + b * weight, weight * 2 end
    end
    return n
end

-- The CRC register after the address and `last` bits (17.1.7).
local function crc_of(form, address, bits, last)
    local size = 2 ^ (8 * form.crc)
    local poly, reg = form.poly % size, form.init % size
    if poly % 2 == 0 then poly = poly + 1 end
    local function clock(b)
        local top = reg >= size / 2 and 1 or 0
        reg = reg * 2 % size
        if top ~= b then reg = bxor(reg, poly) end
    end
    if not form.skip then
        for _, b in ipairs(address) do clock(b) end
    end
    for i = 1, last do clock(bits[i] or 0) end
    return reg
end

-- The packet, if these bits are one of this form.
local function decode(form, iv, address, air)
    local head = 8 * form.s0 + form.lf + form.s1
    local plain = dewhiten(air, iv)
    local found = { form = form, iv = iv, head = head }
    found.s0 = form.s0 > 0 and number(plain, 1, 8, form.big) or nil
    found.length = number(plain, 1 + 8 * form.s0, form.lf, form.big)
    found.s1 = form.s1 > 0 and number(plain, 1 + 8 * form.s0 + form.lf, form.s1, form.big) or nil
    found.size = found.length + form.stat
    local last = head + 8 * found.size
    if math.ceil((last + 8 * form.crc) / 8) ~= #air / 8 then return nil end
    found.crc = number(plain, last + 1, 8 * form.crc, true)
    if form.crc == 0 or crc_of(form, address, plain, last) ~= found.crc then return nil end
    found.bytes = {}
    for i = 0, found.size - 1 do
        found.bytes[i + 1] = string.format("%02x", number(plain, head + 1 + 8 * i, 8, form.big))
    end
    return found
end

-- Bit 6 of the whitening register is always 1 (DATAWHITEIV); many take the channel for the rest, the micro:bit 0x18.
local function find(address, air, channel)
    for _, form in ipairs(forms()) do
        local found = decode(form, nil, address, air) or decode(form, 0x40 + channel % 64, address, air)
        for iv = 0x40, 0x7f do
            found = found or decode(form, iv, address, air)
        end
        if found then return found end
    end
end

local comments = Field.new("frame.comment")

-- What the packet's comments tell: who sent it, whether they broke off, and what became of it at whom.
local function told()
    local all = { receivers = {} }
    for _, info in ipairs({ comments() }) do
        local text = tostring(info.value)
        local name, fate, rssi = text:match("^(.-): (.+), (%-?%d+) dBm$")
        if name then
            table.insert(all.receivers, { name = name, fate = fate, rssi = tonumber(rssi) })
        else
            all.sender = text:match("^from (.+) at %-?%d+ dBm$") or all.sender
            all.aborted = text:match("^broken off at (.+)$") or all.aborted
        end
    end
    return all
end

local function receivers(tree, all)
    local names = {}
    for _, r in ipairs(all) do
        local item = tree:add(f.receiver, r.name):set_generated()
        item:append_text(string.format(": %s, %d dBm", r.fate, r.rssi))
        item:add(f.fate, r.fate):set_generated()
        item:add(f.rssi, r.rssi):set_generated()
        item:add(f.received, r.fate == "received"):set_generated()
        if r.fate == "received" then table.insert(names, r.name) end
    end
    return #names > 0 and table.concat(names, ", ") or "nobody"
end

-- ---- what the micro:bit's own libraries send ----

local PROTOCOLS = { [1] = "datagram", [2] = "event bus" }
local microbit = Proto("flotilla_microbit", "micro:bit radio")
local m = microbit.fields
m.version = ProtoField.uint8("flotilla_microbit.version", "Version")
m.group = ProtoField.uint8("flotilla_microbit.group", "Group")
m.protocol = ProtoField.uint8("flotilla_microbit.protocol", "Protocol", base.DEC, PROTOCOLS)
m.data = ProtoField.bytes("flotilla_microbit.data", "Data")
m.text = ProtoField.string("flotilla_microbit.text", "Text")

-- Three bytes before the data, as MakeCode's datagrams and MicroPython's `radio.send` have them.
local function dissect_microbit(buffer, tree)
    if buffer:len() < 3 or buffer(0, 1):uint() ~= 1 or not PROTOCOLS[buffer(2, 1):uint()] then return nil end
    local sub = tree:add(microbit, buffer())
    sub:add(m.version, buffer(0, 1))
    sub:add(m.group, buffer(1, 1))
    sub:add(m.protocol, buffer(2, 1))
    if buffer:len() == 3 then return "micro:bit" end
    local data = buffer(3)
    sub:add(m.data, data)
    local text = data:raw()
    if not text:find("[^\32-\126]") then
        sub:add(m.text, data, text)
        return "micro:bit " .. string.format("%q", text)
    end
    return "micro:bit, " .. data:len() .. " bytes"
end

-- ---- the packet ----

local function dissect_ble(buffer, pinfo, tree, frequency)
    local place = (frequency - 2402) / 2
    if place < 0 or place > 39 or place % 1 ~= 0 or buffer(5, 1):uint() ~= 4 then return false end
    local channel = place == 0 and 37 or place < 12 and place - 1 or place == 12 and 38 or place < 39 and place - 2 or 39
    local plain = dewhiten(bits_of(buffer(HEADER)), 0x40 + channel)
    local hex = { tostring(buffer(12, 4):bytes()) }
    for i = 1, #plain, 8 do hex[#hex + 1] = string.format("%02x", number(plain, i, 8)) end
    local ok, btle = pcall(Dissector.get, "btle")
    if not ok or not btle then return false end
    btle:call(ByteArray.new(table.concat(hex)):tvb("De-whitened"), pinfo, tree)
    return true
end

-- The fields of a packet; the answer is what there is to say of it in a line.
local function fields(found, tree)
    local hex = table.concat(found.bytes)
    tree:add(f.form, found.form.name):set_generated()
    if found.iv then tree:add(f.whitening, found.iv):set_generated() end
    if found.s0 then tree:add(f.s0, found.s0):set_generated() end
    tree:add(f.length, found.length):set_generated()
    if found.s1 then tree:add(f.s1, found.s1):set_generated() end
    local said = nil
    if hex ~= "" then
        local plain = ByteArray.new(hex):tvb("Payload")
        tree:add(f.payload, plain())
        if found.form.plain then said = dissect_microbit(plain, tree) end
    end
    tree:add(f.crc, found.crc):set_generated()
    tree:add(f.crc_ok, true):set_generated()
    return said or (found.size .. " bytes")
end

function radio.dissector(buffer, pinfo, tree)
    if buffer:len() < HEADER or buffer(0, 1):uint() ~= 1 then return 0 end
    pinfo.cols.protocol = "Flotilla"
    local phy, frequency = buffer(1, 1):uint(), buffer(2, 2):le_uint()
    local all = told()
    local sub = tree:add(radio, buffer())
    sub:add(f.version, buffer(0, 1))
    sub:add(f.phy, buffer(1, 1))
    sub:add_le(f.frequency, buffer(2, 2))
    sub:add(f.channel, buffer(2, 2), frequency - 2400):set_generated()
    sub:add(f.power, buffer(4, 1))
    sub:add_le(f.node, buffer(8, 4))
    if all.sender then
        sub:add(f.sender, buffer(8, 4), all.sender):set_generated()
        pinfo.cols.src = all.sender
    end
    local size = math.min(buffer(5, 1):uint(), 8)
    if size > 0 then sub:add(f.address, buffer(12, size)) end
    if all.aborted then sub:add(f.aborted, all.aborted):set_generated() end
    local heard = receivers(sub, all.receivers)
    pinfo.cols.dst = heard
    local info = (PHYS[phy] or "?") .. ", channel " .. (frequency - 2400)
    if buffer:len() > HEADER then
        sub:add(f.bytes, buffer(HEADER))
        local found = phy <= 2 and find(size > 0 and bits_of(buffer(12, size)) or {}, bits_of(buffer(HEADER)), frequency - 2400)
        if found then
            info = fields(found, sub) .. ", " .. info
        elseif phy == BLE and dissect_ble(buffer, pinfo, tree, frequency) then
            return buffer:len() -- its own line says more
        else
            sub:add_proto_expert_info(undecoded)
            info = (buffer:len() - HEADER) .. " bytes on the air, " .. info
        end
    end
    pinfo.cols.info = info
    return buffer:len()
end

DissectorTable.get("wtap_encap"):add((wtap_encaps or wtap).USER0, radio)
