/* The rows of a `records` line as Arrow columns: one pass over the bytes, no value looked at twice.
 *
 * It reads what our own encoder writes and nothing else: every column, in the schema's order, no spaces, no
 * escapes in texts, no exponents in numbers. Of any other line it says so (None), and whoever asked takes a
 * reader that knows all of JSON. So nothing here is ever lenient: a byte is what is expected, or we are out.
 *
 * Schema and columns cross by the Arrow C data interface and its capsules:
 * https://arrow.apache.org/docs/format/CDataInterface.html
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#ifndef __SIZEOF_INT128__
#error "decimals need integers of 128 bits"
#endif

struct ArrowSchema {
    const char *format, *name, *metadata;
    int64_t flags, n_children;
    struct ArrowSchema **children, *dictionary;
    void (*release)(struct ArrowSchema *);
    void *private_data;
};

struct ArrowArray {
    int64_t length, null_count, offset, n_buffers, n_children;
    const void **buffers;
    struct ArrowArray **children, *dictionary;
    void (*release)(struct ArrowArray *);
    void *private_data;
};

enum { MOST_DIGITS = 38, DIGITS_OF_INT64 = 18, DIGITS_OF_DOUBLE = 15, USUAL_TEXT_BYTES = 16 };

/* Where we are in a line. */
struct cursor {
    const char *at, *end;
};

struct column;
typedef bool (*reader)(struct cursor *, struct column *, int64_t row);

struct column {
    reader read;
    int precision, scale; /* of decimals */
    char *key;            /* what stands before each value: `,"NAME":` */
    size_t key_bytes;
    int64_t nulls;
    uint8_t *valid; /* a bit a row; NULL while no value is null */
    void *values;   /* the values; of texts where each one ends */
    char *text;     /* the texts, one behind the other */
    size_t text_bytes, text_room;
};

static bool is_digit(const struct cursor *c) {
    return c->at < c->end && *c->at >= '0' && *c->at <= '9';
}

static bool is_next(const struct cursor *c, char expected) {
    return c->at < c->end && *c->at == expected;
}

static bool skip(struct cursor *c, const char *expected, size_t bytes) {
    if ((size_t)(c->end - c->at) < bytes || memcmp(c->at, expected, bytes) != 0) return false;
    c->at += bytes;
    return true;
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

static bool read_text(struct cursor *c, struct column *column, int64_t row) {
    (void)row; /* where it ends is written for nulls, too: see read_record */
    if (!is_next(c, '"')) return false;
    const char *from = c->at + 1, *to = memchr(from, '"', (size_t)(c->end - from));
    if (!to || !make_room(column, (size_t)(to - from))) return false;
    memcpy(column->text + column->text_bytes, from, (size_t)(to - from));
    column->text_bytes += (size_t)(to - from);
    c->at = to + 1;
    return true;
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

static bool read_decimal(struct cursor *c, struct column *column, int64_t row) {
    struct number n;
    if (!read_number(c, &n)) return false;
    int more = column->scale - n.scale;
    if (more < 0 || n.count + more > column->precision) return false;
    while (more--) n.digits *= 10;
    ((unsigned __int128 *)column->values)[row] = n.negative ? -n.digits : n.digits;
    return true;
}

static bool read_integer(struct cursor *c, struct column *column, int64_t row) {
    struct number n;
    if (!read_number(c, &n) || n.scale || n.count > DIGITS_OF_INT64) return false;
    ((int64_t *)column->values)[row] = n.negative ? -(int64_t)n.digits : (int64_t)n.digits;
    return true;
}

/* Both numbers of the quotient are exact, so that it is the nearest double. */
static bool read_double(struct cursor *c, struct column *column, int64_t row) {
    struct number n;
    if (!read_number(c, &n) || n.count > DIGITS_OF_DOUBLE) return false;
    double power = 1;
    for (int i = 0; i < n.scale; i++) power *= 10;
    double value = (double)(int64_t)n.digits / power;
    ((double *)column->values)[row] = n.negative ? -value : value;
    return true;
}

static bool read_boolean(struct cursor *c, struct column *column, int64_t row) {
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

static bool read_timestamp(struct cursor *c, struct column *column, int64_t row) {
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
    return skip(c, "\"", 1);
}

static bool read_null(struct cursor *c, struct column *column, int64_t row, int64_t rows) {
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

static bool read_record(struct cursor *c, struct column *columns, int64_t width, int64_t row, int64_t rows) {
    for (struct column *column = columns; column < columns + width; column++) {
        if (!skip(c, column->key, column->key_bytes)) return false;
        if (!(is_next(c, 'n') ? read_null(c, column, row, rows) : column->read(c, column, row))) return false;
        if (column->read == read_text) ((int32_t *)column->values)[row + 1] = (int32_t)column->text_bytes;
    }
    return true;
}

static bool read_rows(struct cursor *c, struct column *columns, int64_t width, int64_t rows) {
    if (!skip(c, "[", 1)) return false;
    for (int64_t row = 0; row < rows; row++) {
        if (row && !skip(c, ",", 1)) return false;
        if (!skip(c, "{", 1) || !read_record(c, columns, width, row, rows) || !skip(c, "}", 1)) return false;
    }
    if (!skip(c, "]}", 2)) return false;
    return c->at == c->end || (skip(c, "\n", 1) && c->at == c->end);
}

/* Whether all is UTF-8 (RFC 3629, section 4), which readers of Arrow rely on, and no byte is a backslash. */
static bool is_plain(const unsigned char *at, const unsigned char *end) {
    if (memchr(at, '\\', (size_t)(end - at))) return false;
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

static const struct kind {
    const char *format; /* as Arrow writes types; of decimals their beginning */
    reader read;
    size_t bits;
} KINDS[] = {
    {"u", read_text, 32},         {"l", read_integer, 64}, {"g", read_double, 64},
    {"tsu:", read_timestamp, 64}, {"b", read_boolean, 1},  {"d:", read_decimal, 128},
};

static void free_column(struct column *column) {
    free(column->key);
    free(column->valid);
    free(column->values);
    free(column->text);
}

/* False: a type that is not ours, or there is no memory. */
static bool prepare(struct column *column, const struct ArrowSchema *field, bool first, int64_t rows) {
    const struct kind *kind = KINDS, *end = KINDS + sizeof KINDS / sizeof *KINDS;
    while (kind < end && strncmp(field->format, kind->format, strlen(kind->format)) != 0) kind++;
    if (kind == end || field->dictionary) return false;
    bool decimal = kind->read == read_decimal;
    char rest;
    if (decimal ? sscanf(field->format, "d:%d,%d%c", &column->precision, &column->scale, &rest) != 2
                : strcmp(field->format, kind->format) != 0)
        return false;
    size_t key_room = strlen(field->name) + sizeof ",\"\":";
    column->read = kind->read;
    column->key = malloc(key_room);
    column->values = calloc(((size_t)rows + 1) * kind->bits / 8 + 1, 1);
    if (kind->read == read_text)
        column->text = malloc(column->text_room = USUAL_TEXT_BYTES * ((size_t)rows + 1));
    if (!column->key || !column->values || (kind->read == read_text && !column->text)) return false;
    column->key_bytes = (size_t)snprintf(column->key, key_room, "%s\"%s\":", first ? "" : ",", field->name);
    return true;
}

static void release_array(struct ArrowArray *array) {
    for (int64_t i = 0; i < array->n_children; i++) {
        if (array->children[i]->release) array->children[i]->release(array->children[i]);
        free(array->children[i]);
    }
    for (int64_t i = 0; array->buffers && i < array->n_buffers; i++) free((void *)array->buffers[i]);
    free(array->children);
    free(array->buffers);
    array->release = NULL;
}

static void free_array(struct ArrowArray *array) {
    if (array->release) array->release(array); /* else whoever took it has */
    free(array);
}

static struct ArrowArray *make_array(int64_t length, int64_t n_buffers, int64_t children) {
    struct ArrowArray *array = calloc(1, sizeof *array);
    if (!array) return NULL;
    *array = (struct ArrowArray){.length = length, .n_buffers = n_buffers, .release = release_array};
    array->buffers = calloc((size_t)n_buffers, sizeof *array->buffers);
    array->children = calloc((size_t)children + 1, sizeof *array->children);
    if (array->buffers && array->children) return array;
    free_array(array);
    return NULL;
}

/* What the columns hold becomes the array's. NULL: there is no memory. */
static struct ArrowArray *make_struct(struct column *columns, int64_t width, int64_t rows) {
    struct ArrowArray *all = make_array(rows, 1, width);
    for (; all && all->n_children < width; all->n_children++) {
        struct column *column = columns + all->n_children;
        struct ArrowArray *one = make_array(rows, column->text ? 3 : 2, 0);
        if (!one) {
            free_array(all);
            return NULL;
        }
        const void *buffers[] = {column->valid, column->values, column->text};
        memcpy(one->buffers, buffers, (size_t)one->n_buffers * sizeof *buffers);
        one->null_count = column->nulls;
        column->valid = NULL, column->values = NULL, column->text = NULL;
        all->children[all->n_children] = one;
    }
    return all;
}

static struct ArrowArray *read_line(const struct ArrowSchema *schema, const char *line, int64_t bytes,
                                    int64_t rows) {
    struct ArrowArray *array = NULL;
    struct cursor c = {line, line + bytes};
    if (rows < 0 || rows > bytes / 2) return NULL; /* a record has two bytes at least: {} */
    int64_t width = schema->n_children;
    struct column *columns = calloc((size_t)width + 1, sizeof *columns);
    bool ready = columns && is_plain((const unsigned char *)line, (const unsigned char *)line + bytes);
    for (int64_t i = 0; ready && i < width; i++)
        ready = prepare(columns + i, schema->children[i], i == 0, rows);
    if (ready && read_rows(&c, columns, width, rows)) array = make_struct(columns, width, rows);
    for (int64_t i = 0; columns && i < width; i++) free_column(columns + i);
    free(columns);
    return array;
}

static void drop(PyObject *capsule) {
    free_array(PyCapsule_GetPointer(capsule, "arrow_array"));
}

static PyObject *read_py(PyObject *module, PyObject *args) {
    (void)module;
    PyObject *capsule;
    const char *line;
    Py_ssize_t bytes, begin, rows;
    if (!PyArg_ParseTuple(args, "Oy#nn", &capsule, &line, &bytes, &begin, &rows)) return NULL;
    const struct ArrowSchema *schema = PyCapsule_GetPointer(capsule, "arrow_schema");
    if (!schema) return NULL;
    if (begin < 0 || begin > bytes) Py_RETURN_NONE;
    struct ArrowArray *array;
    Py_BEGIN_ALLOW_THREADS
    array = read_line(schema, line + begin, bytes - begin, rows);
    Py_END_ALLOW_THREADS
    if (!array) Py_RETURN_NONE;
    PyObject *columns = PyCapsule_New(array, "arrow_array", drop);
    if (!columns) free_array(array);
    return columns;
}

static PyMethodDef METHODS[] = {
    {"read", read_py, METH_VARARGS,
     "read(schema, line, begin, rows): the rows whose list begins there, a capsule of an Arrow array, or "
     "None."},
    {NULL, NULL, 0, NULL},
};

static PyModuleDef_Slot SLOTS[] = {{0, NULL}};

static PyModuleDef MODULE = {
    .m_base = PyModuleDef_HEAD_INIT, .m_name = "_rows", .m_methods = METHODS, .m_slots = SLOTS};

PyMODINIT_FUNC PyInit__rows(void) {
    return PyModuleDef_Init(&MODULE);
}
