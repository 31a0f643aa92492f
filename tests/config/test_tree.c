#include "support.h"

#include <criterion/criterion.h>
#include <string.h>

static node *parsed(arena *a, mistakes *m, const char *text)
{
    node *root = NULL;
    mistakes_source(m, "t.yaml", text, strlen(text));
    tree_parse(a, "t.yaml", text, strlen(text), m, &root);
    return root;
}

Test(tree, has_places_of_keys_and_values)
{
    arena *a = arena_new();
    mistakes *m = mistakes_new(a);
    node *root = parsed(a, m, "a:\n  größe: [1, \"two\"]\nb: 'x'\n");
    cr_assert_eq(mistakes_count(m), 0);
    cr_assert_eq(root->kind, NODE_MAP);
    cr_assert_eq(root->n, 2);
    const node *list = node_child(node_child(root, "a"), "größe");
    cr_assert_eq(list->kind, NODE_LIST);
    cr_assert_eq(list->line, 2);
    cr_assert_eq(list->column, 10); /* in characters */
    cr_assert_eq(list->width, 10);
    cr_assert_eq(list->key_column, 3);
    cr_assert_eq(list->key_width, 5);
    const node *two = list->first->next;
    cr_assert_str_eq(two->text, "two");
    cr_assert(two->quoted);
    cr_assert_not(list->first->quoted);
    cr_assert_str_eq(node_path(two, a), "a.größe[1]");
    cr_assert_null(node_child(root, "c"));
    cr_assert_null(node_child(NULL, "c"));
    arena_free(a);
}

Test(tree, of_comments_is_an_empty_scalar)
{
    arena *a = arena_new();
    mistakes *m = mistakes_new(a);
    node *root = parsed(a, m, "# nothing\n");
    cr_assert_eq(root->kind, NODE_SCALAR);
    cr_assert_str_eq(root->text, "");
    arena_free(a);
}

Test(tree, accepts_a_byte_order_mark_and_carriage_returns)
{
    arena *a = arena_new();
    mistakes *m = mistakes_new(a);
    node *root = parsed(a, m,
                        "\xef\xbb\xbf"
                        "a: 1\r\nb: 2\r\n");
    cr_assert_eq(mistakes_count(m), 0, "%s", mistakes_report(m));
    cr_assert_str_eq(node_child(root, "b")->text, "2");
    arena_free(a);
}

static const char *nested(arena *a, size_t depth)
{
    char *text = arena_alloc(a, 2 * depth + 1, 1);
    memset(text, '[', depth);
    memset(text + depth, ']', depth);
    return text;
}

Test(tree, is_limited_in_depth)
{
    arena *a = arena_new();
    mistakes *m = mistakes_new(a);
    cr_assert_not_null(parsed(a, m, nested(a, 32)));
    cr_assert_eq(mistakes_count(m), 0);
    cr_assert_null(parsed(a, m, nested(a, 33)));
    cr_assert_null(parsed(a, mistakes_new(a), nested(a, 400000)));
    arena_free(a);
}

static const char *long_list(arena *a, size_t n)
{
    char *text = arena_alloc(a, 2 * n + 2, 1);
    text[0] = '[';
    for (size_t i = 0; i < n; i++)
        memcpy(text + 1 + 2 * i, i + 1 < n ? "1," : "1]", 2);
    return text;
}

Test(tree, is_limited_in_nodes_and_bytes)
{
    arena *a = arena_new();
    mistakes *m = mistakes_new(a);
    cr_assert_eq(parsed(a, m, long_list(a, 9999))->n, 9999);
    cr_assert_eq(mistakes_count(m), 0);
    cr_assert_null(parsed(a, m, long_list(a, 10000)));
    cr_assert(strstr(mistakes_report(m), "more than 10000 values"));
    char *blank = arena_alloc(a, (1 << 20) + 2, 1);
    memset(blank, ' ', 1 << 20);
    m = mistakes_new(a);
    cr_assert_not_null(parsed(a, m, blank));
    blank[1 << 20] = ' ';
    cr_assert_null(parsed(a, m, blank));
    cr_assert(strstr(mistakes_report(m), "longer than 1 MiB"));
    arena_free(a);
}
