/* The rows of a `records` line as Arrow columns: one pass over the bytes, no value looked at twice.
 *
 * It reads what our own encoder writes and nothing else: the same keys in each record, in the same order, all
 * columns of the schema among them; no spaces, no exponents in numbers, no lists. Of any other line it says so
 * (None), and whoever asked takes a reader that knows all of JSON. So nothing here is ever lenient: a byte is
 * what is expected, or we are out.
 *
 * Schema and columns cross by the Arrow C data interface and its capsules:
 * https://arrow.apache.org/docs/format/CDataInterface.html
 */
#define Py_LIMITED_API 0x030B0000
#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "_values.h"

enum { USUAL_TEXT_BYTES = 16, MOST_KEYS = 256, MOST_ROWS = 1 << 24 };

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

/* Of each key of a record, in the records' order: its bytes, `,"NAME":`, and its column, if anybody wants it. */
struct slot {
    const char *key;
    size_t key_bytes;
    struct column *column;
};

struct table {
    int64_t rows, width, n_slots;
    struct column *columns; /* as the schema has them, and a spare one */
    struct slot slots[MOST_KEYS];
};

static bool read_value(struct cursor *c, struct table *table, struct column *column, int64_t row) {
    if (!column) return read_past(c, table->columns + table->width);
    if (!(is_next(c, 'n') ? read_null(c, column, row, table->rows) : column->read(c, column, row)))
        return false;
    if (column->read == read_text) ((int32_t *)column->values)[row + 1] = (int32_t)column->text_bytes;
    return true;
}

/* NULL where the schema has no column of this name. */
static struct column *find_column(const struct table *table, const char *name, size_t bytes) {
    for (struct column *column = table->columns; column < table->columns + table->width; column++)
        if (strlen(column->name) == bytes && memcmp(column->name, name, bytes) == 0) return column;
    return NULL;
}

/* The first record tells the keys and their order: every column once, and others. */
static bool read_first(struct cursor *c, struct table *table) {
    int64_t found = 0;
    while (!is_next(c, '}')) {
        if (table->n_slots == MOST_KEYS) return false;
        struct slot *slot = table->slots + table->n_slots;
        slot->key = c->at;
        if (table->n_slots && !take(c, ',')) return false;
        if (!take(c, '"')) return false;
        const char *name = c->at, *to = memchr(name, '"', (size_t)(c->end - name));
        if (!to || c->escape < to) return false;
        struct column *column = slot->column = find_column(table, name, (size_t)(to - name));
        if (column && column->found) return false;
        if (column) {
            column->found = true;
            found++;
        }
        c->at = to;
        if (!skip(c, "\":", 2)) return false;
        slot->key_bytes = (size_t)(c->at - slot->key);
        if (!read_value(c, table, column, 0)) return false;
        table->n_slots++;
    }
    return found == table->width;
}

static bool read_next(struct cursor *c, struct table *table, int64_t row) {
    for (int64_t i = 0; i < table->n_slots; i++) {
        struct slot *slot = table->slots + i;
        if (!skip(c, slot->key, slot->key_bytes) || !read_value(c, table, slot->column, row)) return false;
    }
    return true;
}

static bool read_rows(struct cursor *c, struct table *table) {
    if (!take(c, '[')) return false;
    for (int64_t row = 0; row < table->rows; row++) {
        if (row && !take(c, ',')) return false;
        if (!take(c, '{') || !(row ? read_next(c, table, row) : read_first(c, table)) || !take(c, '}'))
            return false;
    }
    if (!skip(c, "]}", 2)) return false;
    return c->at == c->end || (take(c, '\n') && c->at == c->end);
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
    free(column->valid);
    free(column->values);
    free(column->text);
}

/* False: a type that is not ours, or there is no memory. */
static bool prepare(struct column *column, const struct ArrowSchema *field, int64_t rows) {
    const struct kind *kind = KINDS, *end = KINDS + sizeof KINDS / sizeof *KINDS;
    while (kind < end && strncmp(field->format, kind->format, strlen(kind->format)) != 0) kind++;
    if (kind == end || field->dictionary) return false;
    bool decimal = kind->read == read_decimal;
    char rest;
    if (decimal ? sscanf(field->format, "d:%d,%d%c", &column->precision, &column->scale, &rest) != 2
                : strcmp(field->format, kind->format) != 0)
        return false;
    column->read = kind->read;
    column->name = field->name;
    column->values = calloc(((size_t)rows + 1) * kind->bits / 8 + 1, 1);
    if (kind->read == read_text)
        column->text = malloc(column->text_room = USUAL_TEXT_BYTES * ((size_t)rows + 1));
    return column->values && (column->text || kind->read != read_text);
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
    struct cursor c = begin(line, (size_t)bytes);
    if (rows < 0 || rows > bytes / 2 || rows > MOST_ROWS) return NULL; /* a record has two bytes at least */
    struct table table = {.rows = rows, .width = schema->n_children};
    table.columns = calloc((size_t)table.width + 1, sizeof *table.columns);
    struct column *spare = table.columns ? table.columns + table.width : NULL;
    bool ready = spare && (spare->text = malloc(spare->text_room = USUAL_TEXT_BYTES)) != NULL;
    ready = ready && is_utf8((const unsigned char *)line, (const unsigned char *)line + bytes);
    for (int64_t i = 0; ready && i < table.width; i++)
        ready = prepare(table.columns + i, schema->children[i], rows);
    if (ready && read_rows(&c, &table)) array = make_struct(table.columns, table.width, rows);
    for (int64_t i = 0; table.columns && i <= table.width; i++) free_column(table.columns + i);
    free(table.columns);
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
