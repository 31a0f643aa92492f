/* nn/onnx.c - a model in the ONNX format, being built; the format's own code is generated from
 * its description (onnx.proto). */
#include "nn/nn.h"

#include <onnx.pb-c.h>
#include <stdlib.h>
#include <string.h>

/* Understood by everything since 2021; no op that we need came later. */
enum { IR_VERSION = 7, OPSET = 13 };

/* An array of pointers as protobuf-c wants it, grown in the model's arena. */
typedef struct growing {
    void **item;
    size_t n, room;
} growing;

struct onnx {
    arena *memory;
    growing nodes, tensors, inputs, outputs, notes, attributes;
    Onnx__NodeProto *last; /* whose attributes are being set */
    bool failed;           /* out of memory */
    unsigned unnamed;
    const char *version;
};

static void *failed(onnx *m)
{
    m->failed = true;
    return NULL;
}

static void *room_for(onnx *m, size_t n, size_t size)
{
    void *at = m->failed ? NULL : arena_alloc(m->memory, n + 1, size);
    return at ? at : failed(m);
}

static char *copy(onnx *m, const char *text)
{
    char *at = m->failed ? NULL : arena_copy(m->memory, text);
    return at ? at : failed(m);
}

static void *append(onnx *m, growing *g, size_t size)
{
    if (g->n == g->room) {
        size_t room = g->room ? 2 * g->room : 16;
        void **item = room_for(m, room, sizeof *item);
        if (!item)
            return NULL;
        if (g->n)
            memcpy(item, g->item, g->n * sizeof *item);
        g->item = item;
        g->room = room;
    }
    void *added = room_for(m, 1, size);
    if (added)
        g->item[g->n++] = added;
    return added;
}

int onnx_new(const char *version, onnx **out)
{
    arena *a = arena_new();
    onnx *m = *out = a ? arena_alloc(a, 1, sizeof *m) : NULL;
    if (!m) {
        arena_free(a);
        return fail(NRE_ENOMEM, "no memory for an ONNX model");
    }
    m->memory = a;
    m->version = copy(m, version);
    return NRE_OK;
}

void onnx_free(onnx *m)
{
    if (m)
        arena_free(m->memory);
}

/* tensors */

static size_t type_size(onnx_type type)
{
    return type == ONNX_BOOL ? 1 : type == ONNX_F32 ? 4 : 8;
}

static const char *tensor_named(const onnx *m, const char *name)
{
    for (size_t i = 0; i < m->tensors.n; i++) {
        const Onnx__TensorProto *t = m->tensors.item[i];
        if (strcmp(t->name, name) == 0)
            return t->name;
    }
    return NULL;
}

const char *onnx_tensor(onnx *m, const char *name, onnx_type type, uint32_t rank,
                        const uint32_t *dim, const void *data)
{
    if (!name || tensor_named(m, name))
        return name ? tensor_named(m, name) : failed(m);
    size_t n = 1;
    for (uint32_t i = 0; i < rank; i++)
        n *= dim[i];
    Onnx__TensorProto *t = append(m, &m->tensors, sizeof *t);
    int64_t *dims = room_for(m, rank, sizeof *dims);
    char *bytes = room_for(m, n, type_size(type)), *called = copy(m, name);
    if (!t || !dims || !bytes || !called)
        return failed(m);
    onnx__tensor_proto__init(t);
    for (uint32_t i = 0; i < rank; i++)
        dims[i] = dim[i];
    memcpy(bytes, data, n * type_size(type));
    t->name = called;
    t->has_data_type = true;
    t->data_type = (int32_t)type;
    t->n_dims = rank;
    t->dims = dims;
    t->has_raw_data = true;
    t->raw_data = (ProtobufCBinaryData){n * type_size(type), (uint8_t *)bytes};
    return t->name;
}

const char *onnx_integers(onnx *m, uint32_t n, const int64_t *values)
{
    char *name = copy(m, "integers");
    for (uint32_t i = 0; name && i < n; i++)
        name = arena_print(m->memory, "%s_%lld", name, (long long)values[i]);
    return onnx_tensor(m, name, ONNX_I64, 1, &n, values);
}

const char *onnx_number(onnx *m, onnx_type type, double value)
{
    float single = (float)value;
    const char *name =
        arena_print(m->memory, "%s_%.17g", type == ONNX_F32 ? "float" : "double", value);
    return onnx_tensor(m, name, type, 0, NULL,
                       type == ONNX_F32 ? (const void *)&single : (const void *)&value);
}

/* nodes */

const char *onnx_op(onnx *m, const char *type, const char *name, size_t n,
                    const char *const *in)
{
    for (size_t i = 0; i < n; i++)
        if (!in[i])
            return failed(m);
    Onnx__NodeProto *v = append(m, &m->nodes, sizeof *v);
    char **inputs = room_for(m, n, sizeof *inputs),
         **output = room_for(m, 1, sizeof *output);
    char *called =
        name ? copy(m, name) : arena_print(m->memory, "%s_%u", type, m->unnamed++);
    if (!v || !inputs || !output || !called)
        return failed(m);
    onnx__node_proto__init(v);
    for (size_t i = 0; i < n; i++)
        inputs[i] = copy(m, in[i]);
    v->op_type = copy(m, type);
    v->name = output[0] = called;
    v->n_input = n;
    v->input = inputs;
    v->n_output = 1;
    v->output = output;
    m->attributes = (growing){0};
    m->last = v;
    return called;
}

static Onnx__AttributeProto *attribute_add(onnx *m, const char *name,
                                           Onnx__AttributeProto__AttributeType type)
{
    Onnx__AttributeProto *a = m->last ? append(m, &m->attributes, sizeof *a) : failed(m);
    if (!a)
        return NULL;
    onnx__attribute_proto__init(a);
    a->name = copy(m, name);
    a->has_type = true;
    a->type = type;
    m->last->attribute = (Onnx__AttributeProto **)m->attributes.item;
    m->last->n_attribute = m->attributes.n;
    return a;
}

void onnx_set_float(onnx *m, const char *name, double value)
{
    Onnx__AttributeProto *a =
        attribute_add(m, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__FLOAT);
    if (a) {
        a->has_f = true;
        a->f = (float)value;
    }
}

void onnx_set_int(onnx *m, const char *name, int64_t value)
{
    Onnx__AttributeProto *a =
        attribute_add(m, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INT);
    if (a) {
        a->has_i = true;
        a->i = value;
    }
}

void onnx_set_ints(onnx *m, const char *name, size_t n, const int64_t *values)
{
    Onnx__AttributeProto *a =
        attribute_add(m, name, ONNX__ATTRIBUTE_PROTO__ATTRIBUTE_TYPE__INTS);
    int64_t *kept = a ? room_for(m, n, sizeof *kept) : NULL;
    if (kept) {
        memcpy(kept, values, n * sizeof *kept);
        a->n_ints = n;
        a->ints = kept;
    }
}

/* what goes in and comes out */

static Onnx__TensorShapeProto__Dimension *dimension_new(onnx *m)
{
    Onnx__TensorShapeProto__Dimension *d = room_for(m, 1, sizeof *d);
    if (d)
        onnx__tensor_shape_proto__dimension__init(d);
    return d;
}

/* [batch], or [batch][columns]. */
static Onnx__TensorShapeProto *rows_shape(onnx *m, uint32_t columns)
{
    Onnx__TensorShapeProto *s = room_for(m, 1, sizeof *s);
    Onnx__TensorShapeProto__Dimension **d = room_for(m, 2, sizeof *d),
                                      *batch = dimension_new(m), *wide = dimension_new(m);
    if (!s || !d || !batch || !wide)
        return failed(m);
    onnx__tensor_shape_proto__init(s);
    batch->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_PARAM;
    batch->dim_param = copy(m, "batch");
    wide->value_case = ONNX__TENSOR_SHAPE_PROTO__DIMENSION__VALUE_DIM_VALUE;
    wide->dim_value = columns;
    d[0] = batch;
    d[1] = wide;
    s->dim = d;
    s->n_dim = columns ? 2 : 1;
    return s;
}

static const char *value_add(onnx *m, growing *to, const char *name, onnx_type type,
                             uint32_t columns)
{
    Onnx__ValueInfoProto *v = append(m, to, sizeof *v);
    Onnx__TypeProto *t = room_for(m, 1, sizeof *t);
    Onnx__TypeProto__Tensor *rows = room_for(m, 1, sizeof *rows);
    Onnx__TensorShapeProto *shape = rows_shape(m, columns);
    if (!v || !t || !rows || !shape)
        return failed(m);
    onnx__value_info_proto__init(v);
    onnx__type_proto__init(t);
    onnx__type_proto__tensor__init(rows);
    rows->has_elem_type = true;
    rows->elem_type = (int32_t)type;
    rows->shape = shape;
    t->value_case = ONNX__TYPE_PROTO__VALUE_TENSOR_TYPE;
    t->tensor_type = rows;
    v->name = copy(m, name);
    v->type = t;
    return v->name;
}

const char *onnx_input(onnx *m, const char *name, onnx_type type, uint32_t columns)
{
    return value_add(m, &m->inputs, name, type, columns);
}

void onnx_output(onnx *m, const char *name, const char *value)
{
    if (onnx_op(m, "Identity", name, 1, &value))
        value_add(m, &m->outputs, name, ONNX_F32, 0);
}

void onnx_note(onnx *m, const char *key, const char *text)
{
    Onnx__StringStringEntryProto *note = append(m, &m->notes, sizeof *note);
    if (!note)
        return;
    onnx__string_string_entry_proto__init(note);
    note->key = copy(m, key);
    note->value = copy(m, text);
}

/* the file */

static int write_packed(const Onnx__ModelProto *built, const char *path)
{
    size_t n = onnx__model_proto__get_packed_size(built);
    if (n > INT32_MAX)
        return fail(NRE_EUSAGE,
                    "'%s' would be of %.1f GB; the format ends at 2 GB: use safetensors",
                    path, 1e-9 * (double)n);
    uint8_t *bytes = memory_new(n, 1);
    if (!bytes)
        return fail(NRE_ENOMEM, "no memory to write '%s'", path);
    onnx__model_proto__pack(built, bytes);
    int status = file_write(path, bytes, n);
    free(bytes);
    return status;
}

int onnx_save(const onnx *m, const char *path)
{
    if (m->failed)
        return fail(NRE_ENOMEM, "no memory for the ONNX model '%s'", path);
    Onnx__OperatorSetIdProto opset = ONNX__OPERATOR_SET_ID_PROTO__INIT, *opsets = &opset;
    Onnx__GraphProto graph = ONNX__GRAPH_PROTO__INIT;
    Onnx__ModelProto built = ONNX__MODEL_PROTO__INIT;
    char domain[] = "", producer[] = "nereid", name[] = "log_ratio";
    opset.domain = domain;
    opset.has_version = true;
    opset.version = OPSET;
    graph.name = name;
    graph.n_node = m->nodes.n;
    graph.node = (Onnx__NodeProto **)m->nodes.item;
    graph.n_initializer = m->tensors.n;
    graph.initializer = (Onnx__TensorProto **)m->tensors.item;
    graph.n_input = m->inputs.n;
    graph.input = (Onnx__ValueInfoProto **)m->inputs.item;
    graph.n_output = m->outputs.n;
    graph.output = (Onnx__ValueInfoProto **)m->outputs.item;
    built.has_ir_version = true;
    built.ir_version = IR_VERSION;
    built.n_opset_import = 1;
    built.opset_import = &opsets;
    built.producer_name = producer;
    built.producer_version = (char *)(uintptr_t)m->version;
    built.n_metadata_props = m->notes.n;
    built.metadata_props = (Onnx__StringStringEntryProto **)m->notes.item;
    built.graph = &graph;
    return write_packed(&built, path);
}
