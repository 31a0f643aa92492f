/* config/sweep.c - the cells of a sweep, each a config of its own. */
#include "config/config.h"

#include <string.h>

enum { MAX_AXES = 16 };

typedef struct expander {
    config_reader *reader;
    const node *base; /* the config without its sweep */
    const node *axes; /* resolved: {AXIS: {LABEL: overlay}} */
    const node *at;   /* where the axes are said */
    sweep *sweep;
    size_t n_failed, n_plugins; /* cells that are wrong; by a missing plugin alone */
} expander;

/* axes of the command line */

/* "256", "m_wdm+t_age": what can be a label; NULL where there is a map. */
static const char *label_text(arena *a, const node *n)
{
    if (n->kind == NODE_SCALAR)
        return n->text;
    const char *text = n->kind == NODE_LIST && n->n > 0 ? "" : NULL;
    for (const node *c = n->first; text && c; c = c->next) {
        const char *one = label_text(a, c);
        text = one ? arena_print(a, "%s%s%s", text, *text ? "+" : "", one) : NULL;
    }
    return text;
}

/* The maps around a value, with VALUE in its place; NULL: no memory. */
static node *overlay_of(arena *a, const path_value *said, const node *value)
{
    node *root = node_copy(a, said->root), *at = root;
    for (const char *dot = strchr(said->path, '.'); at && dot; dot = strchr(dot + 1, '.'))
        at = at->first;
    node *copy = node_copy(a, value);
    if (!at || !at->first || !copy)
        return NULL;
    copy->key = said->value->key;
    node_remove(at, at->first);
    node_append(at, copy);
    return root;
}

static int add_label(config_reader *l, const path_value *said, const node *value,
                     node *axis)
{
    node *overlay = overlay_of(l->a, said, value);
    if (!overlay)
        return fail(NRE_ENOMEM, "no memory for --sweep");
    overlay->key = label_text(l->a, value);
    if (!overlay->key)
        mistake_add(l->m, said->origin, 0, 0, 0, "write the axis in the config",
                    "a value of '%s' is a map, which makes no label", said->path);
    else if (node_child(axis, overlay->key))
        mistake_add(l->m, said->origin, 0, 0, 0, NULL, "'%s' twice", overlay->key);
    else
        node_append(axis, overlay);
    return NRE_OK;
}

static int add_axis(config_reader *l, const char *text, node *axes)
{
    path_value said;
    int status = path_value_parse(l->a, l->m, "--sweep", text, &said);
    if (status != NRE_OK || !said.root)
        return status;
    node like = {.origin = said.origin, .line = 1, .column = 1, .key = said.path};
    node *axis = node_new(l->a, NODE_MAP, &like);
    if (!axis)
        return fail(NRE_ENOMEM, "no memory for --sweep");
    if (said.value->kind != NODE_LIST || said.value->n == 0)
        mistake_add(l->m, said.origin, 0, 0, 0, NULL,
                    "expected a list of values for '%s', as in [1, 2]", said.path);
    else if (node_child(axes, said.path))
        mistake_add(l->m, said.origin, 0, 0, 0, NULL, "there is an axis '%s' already",
                    said.path);
    else
        node_append(axes, axis);
    for (const node *c = said.value->first; axis->parent && status == NRE_OK && c;
         c = c->next)
        status = add_label(l, &said, c, axis);
    return status;
}

/* The map KEY of ROOT, made where there is none. */
static node *map_below(arena *a, node *root, const char *key, const char *origin)
{
    node *map = node_child(root, key);
    node like = {.origin = origin, .key = key, .line = 1, .column = 1};
    if (map || !(map = node_new(a, NODE_MAP, &like)))
        return map;
    node_append(root, map);
    return map;
}

int sweep_add_axes(config_reader *l, node *root)
{
    const config_request *r = l->request;
    if (r->n_sweep == 0 || root->kind != NODE_MAP)
        return NRE_OK;
    node *map = map_below(l->a, root, "sweep", "--sweep");
    node *axes =
        map && map->kind == NODE_MAP ? map_below(l->a, map, "axes", "--sweep") : NULL;
    if (!map)
        return fail(NRE_ENOMEM, "no memory for --sweep");
    if (!axes || axes->kind != NODE_MAP)
        return NRE_OK; /* said as something else, and told later */
    int status = NRE_OK;
    for (size_t i = 0; i < r->n_sweep && status == NRE_OK; i++)
        status = add_axis(l, r->sweep[i], axes);
    return status;
}

/* labels and names */

/* Names of folders, rows and jobs are made of them. */
static void check_label(expander *x, const node *n, const char *what)
{
    static const char SAFE[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                               "0123456789_.,+-";
    size_t length = strlen(n->key);
    bool safe = length > 0 && strspn(n->key, SAFE) == length &&
                !strchr(".,", n->key[0]) && n->key[length - 1] != ',';
    if (safe && length <= SWEEP_LABEL)
        return;
    mistake_add(
        x->reader->m, n->origin, n->key_line, n->key_column, n->key_width,
        "letters, digits and _ . , + - make a label, at most 100 of them; it begins "
        "with neither . nor , and does not end with ,",
        "'%s' cannot be %s", text_shown(x->reader->a, n->key), what);
}

/* What belongs to the file as a whole. */
static void check_overlay(expander *x, const node *overlay)
{
    static const char *const WHOLE[] = {"schema", "extends", "sweep"};
    for (size_t i = 0; i < sizeof WHOLE / sizeof WHOLE[0]; i++) {
        const node *c = node_child(overlay, WHOLE[i]);
        if (c)
            mistake_add(x->reader->m, c->origin, c->key_line, c->key_column, c->key_width,
                        NULL, "a label cannot change '%s', which is of the whole file",
                        WHOLE[i]);
    }
}

static int take_axis(expander *x, const node *said, sweep_axis *out)
{
    const char **labels = arena_alloc(x->reader->a, said->n + 1, sizeof *labels);
    if (!labels)
        return fail(NRE_ENOMEM, "no memory for a sweep");
    *out = (sweep_axis){.name = said->key, .labels = labels};
    check_label(x, said, "an axis");
    for (const node *c = said->first; c; c = c->next) {
        check_label(x, c, "a label");
        check_overlay(x, c);
        labels[out->n++] = c->key;
    }
    return NRE_OK;
}

static int take_axes(expander *x)
{
    sweep *s = x->sweep;
    sweep_axis *axes = arena_alloc(x->reader->a, x->axes->n + 1, sizeof *axes);
    int status = axes ? NRE_OK : fail(NRE_ENOMEM, "no memory for a sweep");
    mistakes *m = x->reader->m;
    const node *at = x->at;
    s->axes = axes;
    s->n_cells = 1;
    if (x->axes->n == 0 || x->axes->n > MAX_AXES)
        mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                    "sweep.axes has %zu axes, expected 1 to %d", x->axes->n, MAX_AXES);
    for (const node *c = x->axes->first; status == NRE_OK && c; c = c->next) {
        if (!node_usable(c))
            continue;
        status = take_axis(x, c, &axes[s->n_axes++]);
        if (s->n_cells <= SWEEP_CELLS)
            s->n_cells *= c->n;
    }
    if (s->n_cells > SWEEP_CELLS)
        mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                    "sweep.axes make more than %d cells", SWEEP_CELLS);
    return status;
}

/* Labels of cell number INDEX: the last axis varies fastest. */
static int name_cell(expander *x, size_t index, sweep_cell *out)
{
    sweep *s = x->sweep;
    const char *name = "",
               **labels = arena_alloc(x->reader->a, s->n_axes, sizeof *labels);
    for (size_t i = s->n_axes; labels && i-- > 0; index /= s->axes[i].n)
        labels[i] = s->axes[i].labels[index % s->axes[i].n];
    for (size_t i = 0; labels && name && i < s->n_axes; i++)
        name = arena_print(x->reader->a, "%s%s%s", name, i ? "," : "", labels[i]);
    *out = (sweep_cell){.name = name, .labels = labels};
    return labels && name ? NRE_OK : fail(NRE_ENOMEM, "no memory for a sweep");
}

static void check_name(expander *x, const sweep_cell *cells, size_t i)
{
    const node *at = x->at;
    mistakes *m = x->reader->m;
    if (strlen(cells[i].name) > SWEEP_NAME)
        mistake_add(m, at->origin, at->line, at->column, at->width, NULL,
                    "the name of cell %.40s... is longer than %d characters",
                    cells[i].name, SWEEP_NAME);
    for (size_t k = 0; k < i; k++)
        if (strcmp(cells[k].name, cells[i].name) == 0) {
            mistake_add(m, at->origin, at->line, at->column, at->width,
                        "labels are joined by commas; change one of them",
                        "two cells are called '%s'", cells[i].name);
            return;
        }
}

/* cells */

static const node *overlay_at(const expander *x, size_t axis, const char *label)
{
    const node *c = x->axes->first;
    for (size_t i = 0; c; c = c->next)
        if (node_usable(c) && i++ == axis)
            break;
    return node_child(c, label);
}

static void check_replicate(expander *x, mistakes *m, const experiment *e)
{
    const node *said = e ? experiment_find(e, "train.replicate") : NULL;
    if (said && x->sweep->replicates > 1 && strcmp(said->origin, "default") != 0)
        mistake_add(m, said->origin, said->line, said->column, said->width, NULL,
                    "train.replicate is what sweep.replicates counts; give one of them");
}

static int make_cell(expander *x, sweep_cell *cell)
{
    config_reader l = *x->reader;
    node *root = node_copy(l.a, x->base);
    l.m = mistakes_new(l.a);
    if (!l.m || !root)
        return fail(NRE_ENOMEM, "no memory for a cell");
    for (size_t i = 0; i < x->sweep->n_axes; i++) {
        node *overlay = node_copy(l.a, overlay_at(x, i, cell->labels[i]));
        if (!overlay)
            return fail(NRE_ENOMEM, "no memory for a cell");
        root = tree_merge(NULL, root, overlay, NULL);
    }
    int status = config_set(&l, false, &root);
    if (status == NRE_OK)
        status = config_finish(&l, root, &cell->experiment);
    check_replicate(x, l.m, cell->experiment);
    if (mistakes_count(l.m) == 0)
        return status;
    x->n_failed++;
    x->n_plugins += status == NRE_EPLUGIN;
    mistakes_gather(x->reader->m, l.m, cell->name);
    return NRE_OK;
}

static int make_cells(expander *x)
{
    sweep *s = x->sweep;
    sweep_cell *cells = arena_alloc(x->reader->a, s->n_cells, sizeof *cells);
    int status = cells ? NRE_OK : fail(NRE_ENOMEM, "no memory for a sweep");
    size_t before = mistakes_count(x->reader->m);
    s->cells = cells;
    for (size_t i = 0; i < s->n_cells && status == NRE_OK; i++)
        if ((status = name_cell(x, i, &cells[i])) == NRE_OK)
            check_name(x, cells, i);
    if (mistakes_count(x->reader->m) > before)
        return status;
    bool too_many = false; /* to be told apart by cells */
    for (size_t i = 0; i < s->n_cells && status == NRE_OK && !too_many; i++) {
        status = make_cell(x, &cells[i]);
        too_many = mistakes_count(x->reader->m) > SWEEP_CELLS;
    }
    if (!too_many)
        mistakes_name_cells(x->reader->m, s->n_cells);
    return status;
}

/* the whole */

static int expand(expander *x, const node *said)
{
    config_reader *l = x->reader;
    node *tree = NULL;
    size_t before = mistakes_count(l->m);
    int64_t replicates = 1;
    int status = tree_resolve_key(l->a, l->m, schema_find("sweep"), said, &tree);
    if (status != NRE_OK)
        return status;
    const node *count = node_child(tree, "replicates");
    x->axes = node_child(tree, "axes");
    x->at = node_child(said, "axes");
    if (!x->at)
        x->at = said;
    if (count)
        text_to_int(count->text, &replicates);
    x->sweep->replicates = (uint64_t)replicates;
    if (x->axes && (x->axes->n > 0 || mistakes_count(l->m) == before))
        status = take_axes(x);
    if (status != NRE_OK || mistakes_count(l->m) > before)
        return status;
    return x->axes ? make_cells(x) : fail(NRE_ECONFIG, "the sweep has no axes");
}

int sweep_expand(config_reader *l, node *root, node *said, sweep **out)
{
    sweep *s = arena_alloc(l->a, 1, sizeof *s);
    expander x = {.reader = l, .base = root, .sweep = s};
    if (!s)
        return fail(NRE_ENOMEM, "no memory for a sweep");
    node *detached = node_copy(l->a, root);
    if (!detached)
        return fail(NRE_ENOMEM, "no memory for a sweep");
    node_remove(detached, node_child(detached, "sweep"));
    x.base = detached;
    size_t before = mistakes_count(l->m);
    int status = expand(&x, said);
    if (status != NRE_OK)
        return status;
    if (before == 0 && mistakes_count(l->m) > 0 && x.n_failed > 0 &&
        x.n_plugins == x.n_failed)
        return fail(NRE_EPLUGIN, "%s", mistakes_report(l->m));
    if ((status = mistakes_fail(l->m)) != NRE_OK)
        return status;
    if (!s->cells[0].experiment)
        return fail(NRE_EINTERNAL, "a cell without experiment");
    s->name = s->cells[0].experiment->name;
    *out = s;
    return NRE_OK;
}

int experiment_replicate(experiment *e, arena *a, uint64_t k)
{
    e->train.replicate = k;
    for (node *c = e->tree->first; c; c = c->next) {
        node *said = strcmp(c->key, "train") == 0 ? node_child(c, "replicate") : NULL;
        if (!said)
            continue;
        said->text = arena_print(a, "%llu", (unsigned long long)k);
        said->origin = "sweep.replicates";
        said->line = said->column = 0;
        return said->text ? NRE_OK : fail(NRE_ENOMEM, "no memory for a replicate");
    }
    return NRE_OK;
}
