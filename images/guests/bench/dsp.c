#include "dsp.h"

#ifdef __ARM_FEATURE_SIMD32
#include <arm_acle.h>
static inline uint32_t reversed(uint32_t v)
{
    __asm("rbit %0, %0" : "+r"(v));
    return v;
}
static inline uint32_t greater(uint32_t a, uint32_t b)
{
    __usub8(a, b);
    return __sel(a, b);
}
static inline int32_t add_once(volatile int32_t *counter)
{
    int32_t value, failed;
    do {
        __asm volatile("ldrex %0, [%2]\n\tadd %0, %0, #1\n\tstrex %1, %0, [%2]"
                       : "=&r"(value), "=&r"(failed)
                       : "r"(counter)
                       : "memory");
    } while (failed);
    return value;
}
#else
static int32_t __smlad(uint32_t a, uint32_t b, int32_t c)
{
    return (int32_t)((uint32_t)c + (uint32_t)((int16_t)a * (int16_t)b) + (uint32_t)((int16_t)(a >> 16) * (int16_t)(b >> 16)));
}
static int32_t __smlawb(int32_t a, int32_t b, int32_t c)
{
    return (int32_t)((uint32_t)c + (uint32_t)((int64_t)a * (int16_t)b >> 16));
}
static int32_t __ssat(int32_t v, int bits)
{
    int32_t most = (int32_t)(0x7FFFFFFFu >> (32 - bits));
    return v > most ? most : v < -most - 1 ? -most - 1 : v;
}
static int32_t __qadd(int32_t a, int32_t b)
{
    int64_t v = (int64_t)a + b;
    return v > INT32_MAX ? INT32_MAX : v < INT32_MIN ? INT32_MIN : (int32_t)v;
}
static uint32_t bytes(uint32_t a, uint32_t b, int how)
{
    uint32_t result = 0;
    for (int i = 0; i < 32; i += 8) {
        uint32_t x = a >> i & 0xFF, y = b >> i & 0xFF;
        uint32_t v = how == 0 ? (x + y > 0xFF ? 0xFF : x + y) : how == 1 ? (x + y) / 2 : x > y ? x : y;
        result |= v << i;
    }
    return result;
}
static uint32_t __uqadd8(uint32_t a, uint32_t b) { return bytes(a, b, 0); }
static uint32_t __uhadd8(uint32_t a, uint32_t b) { return bytes(a, b, 1); }
static uint32_t greater(uint32_t a, uint32_t b) { return bytes(a, b, 2); }
static uint32_t __usada8(uint32_t a, uint32_t b, uint32_t c)
{
    for (int i = 0; i < 32; i += 8) {
        int32_t d = (int32_t)(a >> i & 0xFF) - (int32_t)(b >> i & 0xFF);
        c += (uint32_t)(d < 0 ? -d : d);
    }
    return c;
}
static uint32_t reversed(uint32_t v)
{
    uint32_t r = 0;
    for (int i = 0; i < 32; i++)
        r |= (v >> i & 1) << (31 - i);
    return r;
}
static int32_t add_once(volatile int32_t *counter) { return ++*counter; }
#endif

static uint32_t zeros(uint32_t v)
{
    return v ? (uint32_t)__builtin_clz(v) : 32;
}

static uint32_t next(uint32_t *state)
{
    *state = *state * 1664525u + 1013904223u;
    return *state >> 4;
}

static uint32_t mix(uint32_t sum, uint32_t value)
{
    sum ^= value;
    return (sum << 5 | sum >> 27) * 0x9E3779B1u;
}

#define SIZE 24u

static int16_t left[SIZE][SIZE], right[SIZE][SIZE];

uint32_t dsp_matrix(uint32_t seed)
{
    uint32_t state = seed, sum = 1;
    for (uint32_t i = 0; i < SIZE * SIZE; i++) {
        left[i / SIZE][i % SIZE] = (int16_t)((next(&state) & 0xFFF) - 0x800);
        right[i / SIZE][i % SIZE] = (int16_t)((next(&state) & 0xFFF) - 0x800);
    }
    for (uint32_t round = 0; round < 4; round++)
        for (uint32_t i = 0; i < SIZE; i++)
            for (uint32_t j = 0; j < SIZE; j++) {
                int32_t cell = 0;
                for (uint32_t k = 0; k < SIZE; k++)
                    cell += left[i][k] * right[k][j];
                sum = mix(sum, (uint32_t)cell + round);
            }
    return sum;
}

#define TAPS 16u
#define SAMPLES 64u

static uint32_t taps[TAPS], samples[SAMPLES + TAPS], over[SAMPLES];
static volatile int32_t counter;

uint32_t dsp_mix(uint32_t seed)
{
    uint32_t state = seed, sum = 1;
    for (uint32_t i = 0; i < SAMPLES + TAPS; i++)
        samples[i] = next(&state) << 4;
    for (uint32_t i = 0; i < SAMPLES; i++)
        over[i] = next(&state) << 4;
    for (uint32_t i = 0; i < TAPS; i++)
        taps[i] = (next(&state) & 0x0FFF0FFFu);
    int32_t history = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        int32_t acc = 0;
        for (uint32_t k = 0; k < TAPS; k++)
            acc = __smlad(samples[i + k], taps[k], acc);
        history = __smlawb(history, (int16_t)(seed * 77 + 20000), __ssat(acc >> 12, 16));
        sum = mix(sum, (uint32_t)__qadd(history, (int32_t)sum));
    }
    uint32_t distance = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint32_t a = samples[i], b = over[i];
        uint32_t lit = greater(__uqadd8(a, b), __uhadd8(a, b ^ 0x80808080u));
        distance = __usada8(lit, b, distance);
        sum = mix(sum, lit);
    }
    counter = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        uint32_t bits = samples[i] & over[i];
        sum += zeros(bits) + (reversed(bits) >> (i & 31)) + (uint32_t)add_once(&counter);
    }
    return mix(sum, distance);
}
