#include "duty.h"

#define SAMPLES 40u

static int32_t low, high;
static uint32_t noise = 1;

/* A made-up sensor: a slow ramp with noise. */
static int32_t sample(uint32_t wake, uint32_t i)
{
    noise = noise * 1664525u + 1013904223u;
    return (int32_t)((wake * 5 + i) & 0xFFF) + (int32_t)(noise >> 24) - 128;
}

/* CRC-16/CCITT, bit by bit. */
static uint16_t crc16(uint16_t crc, uint8_t byte)
{
    crc ^= (uint16_t)(byte << 8);
    for (uint32_t i = 0; i < 8; i++)
        crc = (uint16_t)(crc & 0x8000 ? crc << 1 ^ 0x1021 : crc << 1);
    return crc;
}

uint32_t duty(uint32_t wake)
{
    int32_t least = INT32_MAX, most = INT32_MIN, sum = 0;
    for (uint32_t i = 0; i < SAMPLES; i++) {
        int32_t value = sample(wake, i) * 256;
        low += (value - low) >> 3;
        high += (low - high) >> 5;
        int32_t band = low - high;
        least = band < least ? band : least;
        most = band > most ? band : most;
        sum += band;
    }
    uint32_t words[4] = { wake, (uint32_t)least, (uint32_t)most, (uint32_t)sum };
    uint16_t crc = 0xFFFF;
    for (uint32_t i = 0; i < 4; i++)
        for (uint32_t shift = 0; shift < 32; shift += 8)
            crc = crc16(crc, (uint8_t)(words[i] >> shift));
    return (uint32_t)sum << 16 ^ crc;
}
