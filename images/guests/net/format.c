#include "console.h"

#include <stdbool.h>

struct out {
    char *at, *end;
};

static void put(struct out *out, char c)
{
    if (out->at < out->end)
        *out->at++ = c;
}

static void put_string(struct out *out, const char *s)
{
    while (*s)
        put(out, *s++);
}

static void put_unsigned(struct out *out, unsigned value, unsigned base, int width, char fill)
{
    char digits[12];
    int n = 0;
    do {
        digits[n++] = "0123456789abcdef"[value % base];
        value /= base;
    } while (value);
    for (; width > n; width--)
        put(out, fill);
    while (n)
        put(out, digits[--n]);
}

static void put_address(struct out *out, uint32_t address)
{
    for (int i = 0; i < 4; i++) {
        if (i)
            put(out, '.');
        put_unsigned(out, address >> 8 * i & 0xff, 10, 0, ' ');
    }
}

size_t format_arguments(char *to, size_t size, const char *format, va_list arguments)
{
    struct out out = {to, to + size - 1};
    for (; *format; format++) {
        if (*format != '%') {
            put(&out, *format);
            continue;
        }
        char fill = *++format == '0' ? '0' : ' ';
        int width = 0, value;
        while (*format >= '0' && *format <= '9')
            width = width * 10 + *format++ - '0';
        switch (*format) {
        case 's': put_string(&out, va_arg(arguments, const char *)); break;
        case 'c': put(&out, (char)va_arg(arguments, int)); break;
        case 'd':
            value = va_arg(arguments, int);
            if (value < 0)
                put(&out, '-');
            put_unsigned(&out, value < 0 ? 0u - (unsigned)value : (unsigned)value, 10, width, fill);
            break;
        case 'u': put_unsigned(&out, va_arg(arguments, unsigned), 10, width, fill); break;
        case 'x': put_unsigned(&out, va_arg(arguments, unsigned), 16, width, fill); break;
        case 'I': put_address(&out, va_arg(arguments, uint32_t)); break;
        default: put(&out, '%');
        }
    }
    *out.at = 0;
    return (size_t)(out.at - to);
}

size_t format_text(char *to, size_t size, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    size_t length = format_arguments(to, size, format, arguments);
    va_end(arguments);
    return length;
}
