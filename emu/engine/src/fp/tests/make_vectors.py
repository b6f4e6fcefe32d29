#!/usr/bin/env python3
"""Writes test vectors for emu_engine::fp, computed with rational numbers straight from the ARM pseudocode.

Usage: make_vectors.py COUNT SEED > vectors.txt
One line: op mode flush/default-nan/ahp operands... = result flags
It shares no code and no method with the Rust side: values are fractions.Fraction, rounding is a floor and a compare.
"""
import random
import sys
from fractions import Fraction as Fr
from math import isqrt

IOC, DZC, OFC, UFC, IXC, IDC = 1, 2, 4, 8, 16, 128
FMT = {"h": (16, 10), "s": (32, 23), "d": (64, 52)}


def bias(f):
    n, m = FMT[f]
    return (1 << (n - m - 2)) - 1


def pow2(e):
    return Fr(2) ** e


class Env:
    def __init__(self, mode, fz, dn, ahp):
        self.mode, self.fz, self.dn, self.ahp, self.flags = mode, fz, dn, ahp, 0


def unpack(f, x, env, ahp=False):
    n, m = FMT[f]
    sign, exp, frac = x >> (n - 1), (x >> m) & ((1 << (n - 1 - m)) - 1), x & ((1 << m) - 1)
    top = (1 << (n - 1 - m)) - 1
    if exp == 0:
        if frac and env.fz and f != "h":
            env.flags |= IDC
            frac = 0
        if frac == 0:
            return "zero", sign, Fr(0)
        v = pow2(1 - bias(f)) * Fr(frac, 1 << m)
    elif exp == top and not ahp:
        if frac == 0:
            return "inf", sign, None
        return ("qnan" if frac >> (m - 1) else "snan"), sign, None
    else:
        v = pow2(exp - bias(f)) * (1 + Fr(frac, 1 << m))
    return "num", sign, -v if sign else v


def inf(f, s):
    n, m = FMT[f]
    return s << (n - 1) | (((1 << (n - 1)) - 1) & ~((1 << m) - 1))


def default_nan(f):
    return inf(f, 0) | 1 << (FMT[f][1] - 1)


def zero(f, s):
    return s << (FMT[f][0] - 1)


def rounds_up(mode, sign, whole, err):
    """err is the distance above the floor of the magnitude."""
    if mode == "RN":
        return err > Fr(1, 2) or (err == Fr(1, 2) and whole & 1)
    if mode == "RA":
        return err >= Fr(1, 2)
    if mode == "RP":
        return err > 0 and not sign
    if mode == "RM":
        return err > 0 and sign
    return False


def floor_log2(v):
    e = v.numerator.bit_length() - v.denominator.bit_length()
    return e if pow2(e) <= v else e - 1


def fp_round(f, v, env, ahp=False):
    n, m = FMT[f]
    sign, mag = int(v < 0), abs(v)
    emin = 1 - bias(f)
    exponent = floor_log2(mag)
    if env.fz and f != "h" and exponent < emin:
        env.flags |= UFC
        return zero(f, sign)
    biased = max(exponent - emin + 1, 0)
    unit = pow2((emin if biased == 0 else exponent) - m)
    whole = int(mag / unit)
    err = mag / unit - whole
    if biased == 0 and err:
        env.flags |= UFC
    whole += rounds_up(env.mode, sign, whole, err)
    if whole == 1 << (m + 1):
        biased, whole = biased + 1, whole >> 1
    if biased == 0 and whole == 1 << m:
        biased = 1
    e_bits = n - 1 - m
    if not ahp:
        if biased >= (1 << e_bits) - 1:
            env.flags |= OFC | IXC
            to_inf = {"RN": 1, "RA": 1, "RZ": 0, "RP": not sign, "RM": sign}[env.mode]
            return inf(f, sign) if to_inf else inf(f, sign) - 1
    elif biased >= 1 << e_bits:
        env.flags |= IOC
        return zero(f, sign) | ((1 << 15) - 1)
    if err:
        env.flags |= IXC
    return zero(f, sign) | biased << m | (whole & ((1 << m) - 1))


def nans(f, env, ops):
    for want in ("snan", "qnan"):
        for (t, _, _), bits in ops:
            if t == want:
                if t == "snan":
                    env.flags |= IOC
                return default_nan(f) if env.dn else bits | 1 << (FMT[f][1] - 1)
    return None


def invalid(f, env):
    env.flags |= IOC
    return default_nan(f)


def total(f, env, ta, sa, va, tb, sb, vb):
    if ta == "inf" and tb == "inf" and sa != sb:
        return invalid(f, env)
    if ta == "inf":
        return inf(f, sa)
    if tb == "inf":
        return inf(f, sb)
    if ta == "zero" and tb == "zero" and sa == sb:
        return zero(f, sa)
    v = va + vb
    return zero(f, int(env.mode == "RM")) if v == 0 else fp_round(f, v, env)


def add(f, env, a, b, negate=False):
    x, y = unpack(f, a, env), unpack(f, b, env)
    nan = nans(f, env, [(x, a), (y, b)])
    if nan is not None:
        return nan
    if negate:
        y = (y[0], y[1] ^ 1, -y[2] if y[2] is not None else None)
    return total(f, env, *x, *y)


def mul_parts(x, y):
    sign = x[1] ^ y[1]
    kinds = (x[0], y[0])
    if "inf" in kinds:
        return ("bad" if "zero" in kinds else "inf"), sign, None
    if "zero" in kinds:
        return "zero", sign, Fr(0)
    return "num", sign, x[2] * y[2]


def mul(f, env, a, b):
    x, y = unpack(f, a, env), unpack(f, b, env)
    nan = nans(f, env, [(x, a), (y, b)])
    if nan is not None:
        return nan
    t, s, v = mul_parts(x, y)
    return {"bad": lambda: invalid(f, env), "inf": lambda: inf(f, s), "zero": lambda: zero(f, s),
            "num": lambda: fp_round(f, v, env)}[t]()


def div(f, env, a, b):
    x, y = unpack(f, a, env), unpack(f, b, env)
    nan = nans(f, env, [(x, a), (y, b)])
    if nan is not None:
        return nan
    s = x[1] ^ y[1]
    if x[0] == y[0] and x[0] in ("inf", "zero"):
        return invalid(f, env)
    if x[0] == "inf" or y[0] == "zero":
        if x[0] != "inf":
            env.flags |= DZC
        return inf(f, s)
    if x[0] == "zero" or y[0] == "inf":
        return zero(f, s)
    return fp_round(f, x[2] / y[2], env)


def sqrt(f, env, a):
    x = unpack(f, a, env)
    nan = nans(f, env, [(x, a)])
    if nan is not None:
        return nan
    if x[0] == "zero":
        return zero(f, x[1])
    if x[1]:
        return invalid(f, env)
    if x[0] == "inf":
        return inf(f, 0)
    # Scale to an integer with an even power of two, 200 bits of root; an inexact root gets a bit below all others.
    k = 2 * (300 - floor_log2(x[2]) // 2)
    scaled = x[2] * pow2(k)
    root = isqrt(int(scaled))
    v = Fr(root) if root * root == scaled else Fr(2 * root + 1, 2)
    return fp_round(f, v * pow2(-(k // 2)), env)


def fma(f, env, c, a, b):
    z, x, y = unpack(f, c, env), unpack(f, a, env), unpack(f, b, env)
    nan = nans(f, env, [(z, c), (x, a), (y, b)])
    bad = {x[0], y[0]} == {"inf", "zero"}
    if bad and z[0] == "qnan":
        return invalid(f, env)
    if nan is not None:
        return nan
    if bad:
        return invalid(f, env)
    return total(f, env, *z, *mul_parts(x, y))


def cmp(f, env, a, b, signal):
    x, y = unpack(f, a, env), unpack(f, b, env)
    if "nan" in x[0] + y[0]:
        if signal or "snan" in (x[0], y[0]):
            env.flags |= IOC
        return 3
    key = lambda u: (u[1] and -pow2(5000) or pow2(5000)) if u[0] == "inf" else u[2]
    d = key(x) - key(y)
    return 8 if d < 0 else 6 if d == 0 else 2


def to_int(f, env, a, signed, bits, frac):
    t, s, v = unpack(f, a, env)
    if "nan" in t:
        env.flags |= IOC
        return 0
    if t == "inf":
        v = -pow2(5000) if s else pow2(5000)
    mag = abs(v) * pow2(frac)
    whole = int(mag)
    err = mag - whole
    whole += rounds_up(env.mode, s, whole, err)
    r = -whole if s else whole
    low, high = (-(1 << (bits - 1)), (1 << (bits - 1)) - 1) if signed else (0, (1 << bits) - 1)
    sat = min(max(r, low), high)
    if sat != r:
        env.flags |= IOC
    elif err:
        env.flags |= IXC
    return sat & 0xFFFFFFFFFFFFFFFF


def from_int(f, env, v, frac):
    return 0 if v == 0 else fp_round(f, Fr(v) * pow2(-frac), env)


def rint(f, env, a, exact):
    x = unpack(f, a, env)
    nan = nans(f, env, [(x, a)])
    if nan is not None:
        return nan
    if x[0] in ("inf", "zero"):
        return inf(f, x[1]) if x[0] == "inf" else zero(f, x[1])
    whole = int(abs(x[2]))
    err = abs(x[2]) - whole
    whole += rounds_up(env.mode, x[1], whole, err)
    if err and exact:
        env.flags |= IXC
    if whole == 0:
        return zero(f, x[1])
    return fp_round(f, Fr(-whole if x[1] else whole), Env("RN", 0, 0, 0))


def cvt(src, dst, env, a):
    x = unpack(src, a, env, ahp=env.ahp and src == "h")
    alt = env.ahp and dst == "h"
    if "nan" in x[0]:
        if x[0] == "snan" or alt:
            env.flags |= IOC
        if alt:
            return zero(dst, x[1])
        if env.dn:
            return default_nan(dst)
        ms, md = FMT[src][1], FMT[dst][1]
        frac = a & ((1 << ms) - 1)
        frac = frac << (md - ms) if md > ms else frac >> (ms - md)
        return inf(dst, x[1]) | 1 << (md - 1) | frac
    if x[0] == "zero":
        return zero(dst, x[1])
    if x[0] == "inf":
        if alt:
            env.flags |= IOC
            return zero(dst, x[1]) | 0x7FFF
        return inf(dst, x[1])
    return fp_round(dst, x[2], env, alt)


def operand(rng, f):
    n, m = FMT[f]
    b, top = bias(f), (1 << (n - 1 - m)) - 1
    kind = rng.random()
    if kind < 0.12:
        mag = rng.choice([0, 1, 2, (1 << m) - 1, 1 << m, (1 << m) + 1, inf(f, 0), inf(f, 0) - 1, inf(f, 0) - 2,
                          default_nan(f), inf(f, 0) + 1, default_nan(f) | rng.getrandbits(m - 1),
                          inf(f, 0) + 1 + rng.getrandbits(m - 2), b << m])
    elif kind < 0.3:
        mag = rng.getrandbits(rng.randrange(1, m + 1))
    else:
        exp = rng.choice([rng.randrange(1, top), min(max(b + rng.randrange(-70, 71), 1), top - 1),
                          b + rng.randrange(-3, 4), rng.randrange(1, 4), top - 1 - rng.randrange(3)])
        frac = rng.choice([rng.getrandbits(m), rng.getrandbits(3), (1 << m) - 1 - rng.getrandbits(3),
                           rng.getrandbits(m // 2) << (m - m // 2), 1 << rng.randrange(m)])
        mag = exp << m | frac
    return mag | rng.getrandbits(1) << (n - 1)


def near(rng, f, a):
    """Often an operand close to another, so that terms cancel and quotients and sums lie at boundaries."""
    if rng.random() < 0.7:
        return operand(rng, f)
    n, _ = FMT[f]
    return (a + rng.randrange(-3, 4)) % (1 << n) ^ (rng.getrandbits(1) << (n - 1))


INTS = {"s32": (1, 32), "u32": (0, 32), "s64": (1, 64), "u64": (0, 64), "s16": (1, 16), "u16": (0, 16)}
KINDS = ["add", "sub", "mul", "div", "sqrt", "fma", "cmp", "cmpe", "toint", "fromint", "rint", "rintx", "cvt", "fma"]


def vector(rng):
    op, f = rng.choice(KINDS), rng.choice("ssdd" "h")
    mode = rng.choice(["RN", "RP", "RM", "RZ", "RA"])
    env = Env(mode, rng.random() < 0.3, rng.random() < 0.2, rng.random() < 0.3)
    bits = f"{int(env.fz)}{int(env.dn)}{int(env.ahp)}"
    h = lambda x: format(x, "x")
    a = operand(rng, f)
    b = near(rng, f, a)
    if op in ("add", "sub", "mul", "div"):
        r = {"add": add, "sub": lambda *p: add(*p, True), "mul": mul, "div": div}[op](f, env, a, b)
        name, args = f"{op}.{f}", [h(a), h(b)]
    elif op == "sqrt":
        a &= (1 << (FMT[f][0] - 1)) - 1 if rng.random() < 0.9 else a
        r, name, args = sqrt(f, env, a), f"sqrt.{f}", [h(a)]
    elif op == "fma":
        c = operand(rng, f)
        if rng.random() < 0.4:
            c = mul(f, Env("RN", 0, 0, 0), a, b) ^ 1 << (FMT[f][0] - 1)
        r, name, args = fma(f, env, c, a, b), f"fma.{f}", [h(c), h(a), h(b)]
    elif op in ("cmp", "cmpe"):
        r, name, args = cmp(f, env, a, b, op == "cmpe"), f"{op}.{f}", [h(a), h(b)]
    elif op == "toint":
        t = rng.choice(list(INTS))
        frac = rng.choice([0, 0, rng.randrange(33)])
        r, name, args = to_int(f, env, a, *INTS[t], frac), f"toint.{f}.{t}", [h(a), h(frac)]
    elif op == "fromint":
        t = rng.choice(["s64", "u64"])
        v = rng.getrandbits(rng.randrange(1, 64)) >> rng.randrange(20) << rng.randrange(20)
        v = rng.choice([v, (1 << rng.randrange(65)) - 1 - rng.getrandbits(2), 0]) & 0xFFFFFFFFFFFFFFFF
        value = v - (1 << 64) if t == "s64" and v >> 63 else v
        frac = rng.choice([0, 0, rng.randrange(33)])
        r, name, args = from_int(f, env, value, frac), f"fromint.{f}.{t}", [h(v), h(frac)]
    elif op in ("rint", "rintx"):
        r, name, args = rint(f, env, a, op == "rintx"), f"{op}.{f}", [h(a)]
    else:
        dst = rng.choice([d for d in "hsd" if d != f])
        if dst == "h" and rng.random() < 0.5:
            m = FMT[f][1]
            exp = bias(f) + rng.randrange(-27, 19)
            frac = rng.getrandbits(m - 9) << 9 if rng.random() < 0.5 else rng.getrandbits(12) << (m - 12)
            a = rng.getrandbits(1) << (FMT[f][0] - 1) | exp << m | frac
        r, name, args = cvt(f, dst, env, a), f"cvt.{f}.{dst}", [h(a)]
    return f"{name} {mode} {bits} {' '.join(args)} = {h(r)} {h(env.flags)}"


def main():
    count, rng = int(sys.argv[1]), random.Random(int(sys.argv[2]))
    for line in sorted(vector(rng) for _ in range(count)):
        print(line)


if __name__ == "__main__":
    main()
