#ifndef BEACON_H
#define BEACON_H

#include "nrf51.h"

#define TEXT_MAX 24

/* What goes on the air: LENGTH (filled for the radio), then LENGTH bytes. Little endian, as the core is. */
struct frame {
    uint8_t length;
    uint8_t id[2];
    uint8_t seq[2];
    char text[TEXT_MAX];
};
#define FRAME_HEAD 4u

struct heard {
    struct frame frame;
    uint8_t rssi; /* the manual's RSSISAMPLE: received power is -rssi dBm */
};

/* console.c: UART0 behind a ring that its interrupt drains. */
void console_start(void);
void console_char(char c);
void console_text(const char *s);
void console_number(uint32_t n);
void console_hex16(uint32_t n);

/* radio.c: listens, and sends when asked to. */
void radio_start(void);
/* Sends FRAME as soon as no reception is under way; false while the last one is still waiting. FRAME is copied. */
int radio_send(const struct frame *frame);
/* Takes the oldest frame heard; false if there is none. Call with interrupts masked or from thread mode only. */
int radio_take(struct heard *heard);
int radio_has_heard(void);

#endif
