#include "_values.h"

#include <stdlib.h>

enum { MOST_DIGITS = 38, DIGITS_OF_INT64 = 18, DIGITS_OF_DOUBLE = 15 };

static const char *find_escape(const char *at, const char *end) {
    const char *found = memchr(at, '\\', (size_t)(end - at));
    return found ? found : end;
}

struct cursor begin(const char *line, size_t bytes) {
    return (struct cursor){line, line + bytes, find_escape(line, line + bytes)};
}

static bool is_digit(const struct cursor *c) {
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool make_room(struct column *column, size_t bytes) {
    if (column->text_room - column->text_bytes >= bytes) return true;
    size_t room = 2 * column->text_room + bytes;
    char *text = room > INT32_MAX ? NULL : realloc(column->text, room);
    if (!text) return false;
    column->text = text;
    column->text_room = room;
    return true;
}

static bool append(struct column *column, const char *text, size_t bytes) {
    if (!make_room(column, bytes)) return false;
    memcpy(column->text + column->text_bytes, text, bytes);
    column->text_bytes += bytes;
    return true;
}

/* The four hex digits of an escape; more than 0xffff where there is something else. */
static unsigned read_unit(struct cursor *c) {
    unsigned unit = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char digit = c->at < c->end ? (unsigned char)*c->at++ : 0, small = digit | 0x20;
        if (digit >= '0' && digit <= '9')
            unit = unit << 4 | (unsigned)(digit - '0');
        else if (small >= 'a' && small <= 'f')
            unit = unit << 4 | (unsigned)(small - 'a' + 10);
        else
            return UINT32_MAX;
    }
    return unit;
}

/* `\u` has been read: a character of UTF-16 (RFC 8259, section 7), appended in UTF-8. */
static bool read_character(struct cursor *c, struct column *column) {
    unsigned unit = read_unit(c), low = 0;
    if (unit >= 0xd800 && unit < 0xdc00) {
        if (!skip(c, "\\u", 2) || (low = read_unit(c)) < 0xdc00 || low > 0xdfff) return false;
        unit = 0x10000 + ((unit - 0xd800) << 10) + (low - 0xdc00);
    } else if (unit > 0xffff || (unit >= 0xdc00 && unit < 0xe000))
        return false;
    int more = unit < 0x80 ? 0 : unit < 0x800 ? 1 : unit < 0x10000 ? 2 : 3;
    static const unsigned char FIRST[] = {0, 0xc0, 0xe0, 0xf0};
    char bytes[4];
    for (int i = more; i > 0; i--, unit >>= 6) bytes[i] = (char)(0x80 | (unit & 0x3f));
    bytes[0] = (char)(FIRST[more] | unit);
    return append(column, bytes, (size_t)more + 1);
}

/* From the first backslash on; the quote at the end included. */
static bool read_escaped(struct cursor *c, struct column *column) {
    static const char ESCAPES[] = "\"\\/bfnrt", MEANT[] = "\"\\/\b\f\n\r\t";
    while (c->at < c->end && *c->at != '"') {
        if (*c->at != '\\') {
            if (!append(column, c->at++, 1)) return false;
            continue;
        }
        if (++c->at == c->end) return false;
        const char *escape = *c->at ? strchr(ESCAPES, *c->at) : NULL;
        if (escape ? !append(column, MEANT + (escape - ESCAPES), 1) : *c->at != 'u') return false;
        c->at++;
        if (!escape && !read_character(c, column)) return false;
    }
    c->escape = find_escape(c->at, c->end);
    return take(c, '"');
}

bool read_text(struct cursor *c, struct column *column, int64_t row) {
    (void)row; /* where it ends is written for nulls, too: see read_value */
    if (!take(c, '"')) return false;
    const char *to = memchr(c->at, '"', (size_t)(c->end - c->at));
    if (!to) return false;
    bool plain = c->escape > to;
    const char *end = plain ? to : c->escape;
    if (!append(column, c->at, (size_t)(end - c->at))) return false;
    c->at = plain ? to + 1 : end;
    return plain || read_escaped(c, column);
}

/* `digits` / 10 ** `scale`; `count` digits, leading zeros included. */
struct number {
    bool negative;
    unsigned __int128 digits;
    int count, scale;
};

static bool read_digits(struct cursor *c, struct number *n) {
    const char *from = c->at;
    for (; is_digit(c); c->at++) {
        if (++n->count > MOST_DIGITS) return false;
        n->digits = 10 * n->digits + (unsigned)(*c->at - '0');
    }
    return c->at > from;
}

static bool read_number(struct cursor *c, struct number *n) {
    *n = (struct number){.negative = is_next(c, '-')};
    c->at += n->negative;
    bool zero = is_next(c, '0');
    if (!read_digits(c, n) || (zero && n->count > 1)) return false;
    if (!is_next(c, '.')) return true;
    c->at++;
    int before = n->count;
    if (!read_digits(c, n)) return false;
    n->scale = n->count - before;
    return true;
}

bool read_decimal(struct cursor *c, struct column *column, int64_t row) {
    struct number n;
    if (!read_number(c, &n)) return false;
    int more = column->scale - n.scale;
    if (more < 0 || n.count + more > column->precision) return false;
    while (more--) n.digits *= 10;
    ((unsigned __int128 *)column->values)[row] = n.negative ? -n.digits : n.digits;
    return true;
}

bool read_integer(struct cursor *c, struct column *column, int64_t row) {
    struct number n;
    if (!read_number(c, &n) || n.scale || n.count > DIGITS_OF_INT64) return false;
    ((int64_t *)column->values)[row] = n.negative ? -(int64_t)n.digits : (int64_t)n.digits;
    return true;
}

/* Both numbers of the quotient are exact, so that it is the nearest double. */
bool read_double(struct cursor *c, struct column *column, int64_t row) {
    struct number n;
    if (!read_number(c, &n) || n.count > DIGITS_OF_DOUBLE) return false;
    double power = 1;
    for (int i = 0; i < n.scale; i++) power *= 10;
    double value = (double)(int64_t)n.digits / power;
    ((double *)column->values)[row] = n.negative ? -value : value;
    return true;
}

bool read_boolean(struct cursor *c, struct column *column, int64_t row) {
    bool value = skip(c, "true", 4);
    if (!value && !skip(c, "false", 5)) return false;
    ((uint8_t *)column->values)[row / 8] |= (uint8_t)(value << row % 8);
    return true;
}

/* The next two digits after a mark; less than zero where there is something else. */
static int read_two(struct cursor *c, char mark) {
    if (mark && !is_next(c, mark)) return -1;
    c->at += mark != 0;
    if (c->end - c->at < 2) return -1;
    unsigned tens = (unsigned char)c->at[0] - '0', ones = (unsigned char)c->at[1] - '0';
    c->at += 2;
    return tens > 9 || ones > 9 ? -1 : (int)(10 * tens + ones);
}

/* Days from 1970-01-01, counted in years that begin with March; false where the calendar has no such day. */
static bool count_days(int year, int month, int day, int64_t *days) {
    static const int LAST[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    if (year < 1 || month < 1 || month > 12 || day < 1) return false;
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    if (day > LAST[month - 1] + (leap && month == 2)) return false;
    int since_march = (month + 9) % 12, y = year - (month <= 2);
    *days = y * 365LL + y / 4 - y / 100 + y / 400 + (153 * since_march + 2) / 5 + day - 1 - 719468;
    return true;
}

bool read_timestamp(struct cursor *c, struct column *column, int64_t row) {
    int century = read_two(c, '"'), year = read_two(c, 0), month = read_two(c, '-'), day = read_two(c, '-');
    int hour = read_two(c, 'T'), minute = read_two(c, ':'), second = read_two(c, ':');
    int64_t days, micros = 0, unit = 100000;
    if (century < 0 || year < 0 || !count_days(100 * century + year, month, day, &days)) return false;
    if (hour < 0 || hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 59) return false;
    if (is_next(c, '.')) {
        for (c->at++; is_digit(c) && unit; c->at++, unit /= 10) micros += unit * (*c->at - '0');
        if (unit == 100000) return false;
    }
    ((int64_t *)column->values)[row] = (((days * 24 + hour) * 60 + minute) * 60 + second) * 1000000 + micros;
    return take(c, '"');
}

bool read_null(struct cursor *c, struct column *column, int64_t row, int64_t rows) {
    size_t bytes = (size_t)(rows + 7) / 8;
    if (!skip(c, "null", 4)) return false;
    if (!column->valid) {
        if (!(column->valid = malloc(bytes))) return false;
        memset(column->valid, 0xff, bytes);
    }
    column->valid[row / 8] &= (uint8_t)~(1u << row % 8);
    column->nulls++;
    return true;
}

bool read_past(struct cursor *c, struct column *spare) {
    struct number n;
    spare->text_bytes = 0;
    if (is_next(c, '"')) return read_text(c, spare, 0);
    return skip(c, "null", 4) || skip(c, "true", 4) || skip(c, "false", 5) || read_number(c, &n);
}

bool is_utf8(const unsigned char *at, const unsigned char *end) {
    while (at < end) {
        uint64_t eight;
        if (end - at >= 8 && (memcpy(&eight, at, 8), !(eight & 0x8080808080808080u))) {
            at += 8;
            continue;
        }
        unsigned first = *at++;
        if (first < 0x80) continue;
        int more = first >= 0xf0 ? 3 : first >= 0xe0 ? 2 : 1;
        if (first < 0xc2 || first > 0xf4 || end - at < more) return false;
        unsigned least = first == 0xe0 ? 0xa0 : first == 0xf0 ? 0x90 : 0x80;
        unsigned most = first == 0xed ? 0x9f : first == 0xf4 ? 0x8f : 0xbf;
        if (at[0] < least || at[0] > most) return false;
        for (int i = 1; i < more; i++)
            if ((at[i] & 0xc0) != 0x80) return false;
        at += more;
    }
    return true;
}
