#include "net.h"

bool parse_number(const char *text, uint32_t max, uint32_t *value)
{
    uint32_t sum = 0;
    if (!*text)
        return false;
    for (; *text; text++) {
        uint32_t digit = (uint32_t)(*text - '0');
        if (digit > 9 || sum > (max - digit) / 10 || digit > max)
            return false;
        sum = sum * 10 + digit;
    }
    *value = sum;
    return true;
}

const char *error_text(err_t error)
{
    switch (error) {
    case ERR_OK: return "ok";
    case ERR_MEM:
    case ERR_BUF: return "out of memory";
    case ERR_TIMEOUT: return "timed out";
    case ERR_RTE: return "no route";
    case ERR_USE: return "port in use";
    case ERR_ABRT: return "given up";
    case ERR_RST: return "refused or reset";
    case ERR_CLSD: return "closed";
    case ERR_VAL:
    case ERR_ARG: return "no such name or address";
    case ERR_IF: return "link down";
    default: return "failed";
    }
}

void print_rest(struct line_printer *printer)
{
    if (!printer->length)
        return;
    printer->text[printer->length] = 0;
    printer->length = 0;
    say("%s%s", printer->prefix, printer->text);
}

void print_stream(struct line_printer *printer, const char *data, size_t n)
{
    for (; n--; data++) {
        if (*data == '\n') {
            if (printer->length)
                print_rest(printer);
            else
                say("%s", printer->prefix);
        } else if (*data != '\r') {
            printer->text[printer->length++] = *data >= ' ' && *data < 127 ? *data : '.';
            if (printer->length == sizeof printer->text - 1)
                print_rest(printer);
        }
    }
}
