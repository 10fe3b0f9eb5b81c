/* The values of a line, each read into the next row of its column. */
#ifndef TRACESVC_VALUES_H
#define TRACESVC_VALUES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#ifndef __SIZEOF_INT128__
#error "decimals need integers of 128 bits"
#endif

/* Where we are in a line, and where its next backslash is. */
struct cursor {
    const char *at, *end, *escape;
};

struct cursor begin(const char *line, size_t bytes);

static inline bool is_next(const struct cursor *c, char expected) {
    return c->at < c->end && *c->at == expected;
}

/* Move on behind this character; false where there is another. */
static inline bool take(struct cursor *c, char expected) {
    bool next = is_next(c, expected);
    c->at += next;
    return next;
}

/* The same for a text. */
static inline bool skip(struct cursor *c, const char *expected, size_t bytes) {
    if ((size_t)(c->end - c->at) < bytes || memcmp(c->at, expected, bytes) != 0) return false;
    c->at += bytes;
    return true;
}

struct column;
typedef bool (*reader)(struct cursor *, struct column *, int64_t row);

struct column {
    reader read;
    const char *name;
    bool found;           /* among the first record's keys */
    int precision, scale; /* of decimals */
    int64_t nulls;
    uint8_t *valid; /* a bit a row; NULL while no value is null */
    void *values;   /* the values; of texts where each one ends */
    char *text;     /* the texts, one behind the other */
    size_t text_bytes, text_room;
};

/* Each reads one value and moves on. False: it is of another form, and the cursor stays anywhere. */
bool read_text(struct cursor *c, struct column *column, int64_t row);
bool read_integer(struct cursor *c, struct column *column, int64_t row);
bool read_double(struct cursor *c, struct column *column, int64_t row);
bool read_decimal(struct cursor *c, struct column *column, int64_t row);
bool read_boolean(struct cursor *c, struct column *column, int64_t row);
bool read_timestamp(struct cursor *c, struct column *column, int64_t row);
bool read_null(struct cursor *c, struct column *column, int64_t row, int64_t rows);

/* One value that nobody wants; no list and no object. `spare` is a column of texts that nobody reads. */
bool read_past(struct cursor *c, struct column *spare);

/* Whether all is UTF-8 (RFC 3629, section 4), which readers of Arrow rely on. */
bool is_utf8(const unsigned char *at, const unsigned char *end);

#endif
