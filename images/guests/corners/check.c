#include "check.h"

static uint32_t passed, failed;
char trace_buffer[64];
static volatile uint32_t trace_length;

static void head(int ok, const char *name)
{
    *(ok ? &passed : &failed) += 1;
    put_text(ok ? "ok " : "FAIL ");
    put_number(passed + failed);
    put_char(' ');
    put_text(name);
}

void check(const char *name, uint32_t got, uint32_t want)
{
    head(got == want, name);
    if (got != want) {
        put_text(" got=");
        put_hex(got);
        put_text(" want=");
        put_hex(want);
    }
    put_text("\r\n");
}

void check_text(const char *name, const char *got, const char *want)
{
    size_t n = strlen(want) + 1;
    int same = memcmp(got, want, n) == 0;
    head(same, name);
    if (!same) {
        put_text(" got=");
        put_text(got);
        put_text(" want=");
        put_text(want);
    }
    put_text("\r\n");
}

void group(const char *name)
{
    put_text("# ");
    put_text(name);
    put_text("\r\n");
}

void skip(const char *name, const char *why)
{
    put_text("skip ");
    put_text(name);
    put_text(": ");
    put_text(why);
    put_text("\r\n");
}

void finish_checks(void)
{
    put_text("corners: ");
    put_number(passed);
    put_text(" passed, ");
    put_number(failed);
    put_text(" failed\r\n");
    finish(failed == 0);
}

void trace(char c)
{
    if (trace_length + 1 < sizeof trace_buffer) {
        trace_buffer[trace_length++] = c;
        trace_buffer[trace_length] = 0;
    }
}

void trace_clear(void)
{
    trace_length = 0;
    trace_buffer[0] = 0;
}
