#include "net.h"

uint32_t crc32(uint32_t crc, const void *data, size_t n)
{
    /* Four bits at a time of the reflected polynomial EDB88320. */
    static uint32_t table[16];
    if (!table[1])
        for (uint32_t i = 0; i < 16; i++) {
            uint32_t value = i;
            for (int bit = 0; bit < 4; bit++)
                value = value >> 1 ^ (value & 1 ? 0xEDB88320u : 0);
            table[i] = value;
        }
    const uint8_t *byte = data;
    crc = ~crc;
    while (n--) {
        crc ^= *byte++;
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
    }
    return ~crc;
}
