/* Port numbers, transaction numbers and sequence numbers: different on every node, the same in every run. */
#include "net.h"
#include "hooks.h"
#include "clock.h"

static uint32_t state = 1;

static uint32_t mix(uint32_t x)
{
    /* A bijection that spreads every bit over the word. */
    x = (x ^ x >> 16) * 0x7feb352du;
    x = (x ^ x >> 15) * 0x846ca68bu;
    return x ^ x >> 16;
}

void random_seed(const uint8_t mac[6])
{
    state = 0;
    for (int i = 0; i < 6; i++)
        state = mix(state * 257 + mac[i] + 1);
    state |= 1;
}

/* Marsaglia's xorshift. */
uint32_t random_word(void)
{
    state ^= state << 13;
    state ^= state >> 17;
    state ^= state << 5;
    return state;
}

/* A hash of the connection and the node, on a clock of four microseconds (RFC 9293, 3.4.1). */
uint32_t initial_sequence(uint16_t local_port, const ip_addr_t *remote, uint16_t remote_port)
{
    static uint32_t secret;
    if (!secret)
        secret = random_word();
    uint32_t hash = mix(mix(secret + ip_addr_get_ip4_u32(remote)) + ((uint32_t)local_port << 16 | remote_port));
    return hash + micros() / 4;
}
