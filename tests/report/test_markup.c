/* Text and numbers in each format. */
#include "example.h"

#include <criterion/criterion.h>
#include <float.h>
#include <math.h>
#include <string.h>

static arena *a;

static void open_arena(void)
{
    a = arena_new();
}

static void close_arena(void)
{
    arena_free(a);
}

TestSuite(markup, .init = open_arena, .fini = close_arena);

Test(markup, latex)
{
    cr_assert_str_eq(latex_escape(a, "d_infectious 50% & #1 $x$ {y}"),
                     "d\\_infectious 50\\% \\& \\#1 \\$x\\$ \\{y\\}");
    cr_assert_str_eq(latex_escape(a, "a\\b~c^d"),
                     "a\\textbackslash{}b\\textasciitilde{}c\\textasciicircum{}d");
    cr_assert_str_eq(latex_escape(a, "ResNet-18"), "ResNet-18");
    cr_assert_str_eq(latex_escape(a, "a--b"), "a{-}{-}b");
    cr_assert_str_eq(latex_escape(a, "[x]*"), "{[}x{]}{*}"); /* after \\ or \midrule */
    cr_assert_str_eq(latex_escape(a, "a<b>|c"), "a$<$b$>$$|$c");
    cr_assert_str_eq(latex_escape(a, "\xc2\xb5m \xce\xb2 \xe2\x8a\x99"),
                     "$\\mu$m $\\beta$ $\\odot$");
    cr_assert_str_eq(latex_escape(a, "\xc3\xa9\xe4\xb8\xad"), "\xc3\xa9\\texttt{U+4E2D}");
    cr_assert_str_eq(latex_escape(a, "a\n\nb\tc"),
                     "a  b c"); /* no paragraph in a caption */
}

Test(markup, html)
{
    cr_assert_str_eq(html_escape(a, "<a href=\"x\" id='y'>&amp;"),
                     "&lt;a href=&quot;x&quot; id=&#39;y&#39;&gt;&amp;amp;");
    cr_assert_str_eq(html_escape(a, "a\n\tb"), "a\n\tb");
    cr_assert_str_eq(html_escape(a, "a\x01z"), "a\xef\xbf\xbdz");
}

Test(markup, markdown)
{
    cr_assert_str_eq(markdown_escape(a, "d_infectious"), "d_infectious");
    cr_assert_str_eq(markdown_escape(a, "_x_ *y* `z` [l](u) a|b"),
                     "\\_x\\_ \\*y\\* \\`z\\` \\[l\\](u) a\\|b");
    cr_assert_str_eq(markdown_escape(a, "<b> # ~ $ & \\"),
                     "\\<b\\> \\# \\~ \\$ \\& \\\\");
    cr_assert_str_eq(markdown_escape(a, "a\nb"), "a b");
}

/* Bytes that are no UTF-8, overlong forms, surrogates, and marks that reverse the text.
 */
Test(markup, damaged_text)
{
    static const char *const bad[] = {"\xff",         "\xc0\xaf",         "\xe2\x82",
                                      "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe2\x80\xae",
                                      "\xc2\x85"};

    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        const char *html = html_escape(a, bad[i]);
        cr_assert(count_of(html, "\xef\xbf\xbd") * 3 == strlen(html), "case %zu", i);
        json_t *j = json_text(bad[i]);
        cr_assert(json_is_string(j));
        json_decref(j);
    }
    cr_assert_str_eq(html_escape(a, "\xf0\x9f\x98\x80"), "\xf0\x9f\x98\x80");
    json_t *j = json_text(NULL);
    cr_assert(json_is_null(j));
    json_decref(j);
}

Test(markup, numbers)
{
    cr_assert_str_eq(number_text(a, 0.6834, 3), "0.683");
    cr_assert_str_eq(number_text(a, NAN, 3), "n/a");
    cr_assert_str_eq(number_text(a, INFINITY, 0), "n/a");
    cr_assert_str_eq(number_text(a, -0.0001, 3), "0.000");
    cr_assert_str_eq(number_text(a, -0.0006, 3), "-0.001");
    cr_assert_str_eq(number_beside(a, 2.5134, 0.312), "2.51");
    cr_assert_str_eq(number_beside(a, 2.5134, 0.0997), "2.51");
    cr_assert_str_eq(number_beside(a, 1234.5, 88), "1234");
    cr_assert_str_eq(number_beside(a, 3.04e-9, 3.1e-10), "3.04e-09");
    cr_assert_str_eq(number_beside(a, 0, 3.1e-10), "0.0e+00");
    cr_assert_str_eq(number_beside(a, 5.5, NAN), "5.5");
    cr_assert_str_eq(number_beside(a, DBL_MAX, DBL_MIN), "1.79769313486232e+308");
    cr_assert_str_eq(level_text(a, 0.997), "99.7%");
    cr_assert_str_eq(level_text(a, 0.68), "68%");
    cr_assert_str_eq(level_text(a, 0.9545), "95.45%");
    cr_assert_str_eq(count_text(a, 0), "0");
    cr_assert_str_eq(count_text(a, 9999), "9999");
    cr_assert_str_eq(count_text(a, 20000), "20,000");
    cr_assert_str_eq(count_text(a, UINT64_MAX), "18,446,744,073,709,551,615");
    cr_assert_str_eq(duration_text(a, 0.41), "0.4 s");
    cr_assert_str_eq(duration_text(a, 59.7), "1 min 0 s");
    cr_assert_str_eq(duration_text(a, 72.3), "1 min 12 s");
    cr_assert_str_eq(duration_text(a, 7290), "2 h 2 min");
    cr_assert_str_eq(duration_text(a, NAN), "n/a");
}

/* A blank, a hash or a colon would end the path, or begin it anew. */
Test(markup, links)
{
    static const char *const CASES[][2] = {
        {"cells/m_a,b=1/r0/report.html", "cells/m_a,b=1/r0/report.html"},
        {"/tmp/my runs/50% #1?/", "/tmp/my%20runs/50%25%20%231%3F/"},
        {"a:b&\"c\"<d>", "a%3Ab%26%22c%22%3Cd%3E"},
        {"\xce\xb2", "%CE%B2"},
        {NULL, ""},
    };
    for (size_t i = 0; i < sizeof CASES / sizeof CASES[0]; i++) {
        char *text = NULL;
        size_t n = 0;
        FILE *out = open_memstream(&text, &n);
        link_put(out, CASES[i][0]);
        fclose(out);
        cr_assert_str_eq(text, CASES[i][1]);
        free(text);
    }
}

Test(markup, columns_are_aligned)
{
    char *text = NULL;
    size_t n = 0;
    FILE *out = open_memstream(&text, &n);
    columns c;

    columns_start(&c, a, 2, "lr");
    columns_add(&c, "name");
    columns_add(&c, "n");
    columns_add(&c, "\xce\xb2");
    columns_add(&c, "1234");
    cr_assert_eq(columns_markdown(&c, out), 0);
    fclose(out);
    cr_assert_str_eq(text, "| name |    n |\n| :--- | ---: |\n| \xce\xb2    | 1234 |\n");
    free(text);
}

Test(markup, columns_out_of_memory_fail)
{
    columns c;

    columns_start(&c, a, 1, "l");
    columns_add(&c, NULL);
    cr_assert_eq(columns_markdown(&c, stdout), NRE_ENOMEM);
    cr_assert_eq(columns_plain(&c, stdout, ""), NRE_ENOMEM);
}
