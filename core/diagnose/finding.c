/* diagnose/finding.c - how every diagnostic ends: a number, a verdict, a sentence. */
#include "diagnose/diagnose.h"

#include <math.h>
#include <string.h>

finding_verdict finding_by_p(double p)
{
    return isnan(p) ? FINDING_OPEN : p < FINDING_LEVEL ? FINDING_FAILS : FINDING_OK;
}

const char *finding_word(finding_verdict v)
{
    static const char *const WORDS[] = {"ok", "fails", "open", "informs", "cautious"};

    return WORDS[v];
}

static json_t *text_or_null(const char *text)
{
    return text ? json_string(text) : json_null();
}

json_t *finding_json(const finding *f)
{
    json_t *j = json_pack("{s:s, s:o, s:I}", "verdict", finding_word(f->verdict),
                          "statistic", text_or_null(f->statistic), "n", (json_int_t)f->n);

    json_object_set_new(j, "value", json_number(f->value));
    json_object_set_new(j, "error", json_number(f->error));
    json_object_set_new(j, "expected", json_number(f->expected));
    json_object_set_new(j, "p_value", json_number(f->p));
    json_object_set_new(j, "says", text_or_null(f->says));
    json_object_set_new(j, "advice", text_or_null(f->advice));
    json_object_set_new(j, "reason", text_or_null(f->reason));
    return j;
}

json_t *finding_open(const char *reason)
{
    finding f = {.verdict = FINDING_OPEN,
                 .value = NAN,
                 .error = NAN,
                 .expected = NAN,
                 .p = NAN,
                 .reason = reason};

    return finding_json(&f);
}

short_text text_of_count(uint64_t n)
{
    short_text out;
    char digits[24];
    size_t used = 0,
           left = (size_t)snprintf(digits, sizeof digits, "%llu", (unsigned long long)n);

    for (const char *at = digits; *at; at++) {
        out.text[used++] = *at;
        if (--left > 0 && left % 3 == 0)
            out.text[used++] = ',';
    }
    out.text[used] = 0;
    return out;
}

short_text text_of_p(double p)
{
    short_text out;

    if (p < 1e-12)
        snprintf(out.text, sizeof out.text, "p < 1e-12");
    else
        snprintf(out.text, sizeof out.text, "p = %.2g", p);
    return out;
}

short_text text_of_worst(double p, size_t n)
{
    short_text out = text_of_p(p);
    size_t used = strlen(out.text);

    if (n > 1)
        snprintf(out.text + used, sizeof out.text - used, " after multiplying by %zu", n);
    return out;
}

short_text text_of_pairs(uint64_t n)
{
    short_text out = text_of_count(n);
    size_t used = strlen(out.text);

    snprintf(out.text + used, sizeof out.text - used, n == 1 ? " pair" : " pairs");
    return out;
}

enum { NAMED_MOST = 5 };

long_text text_of_rows(size_t n, const bool *missing)
{
    long_text out;
    size_t all = 0, named = 0, used;

    for (size_t i = 0; i < n; i++)
        all += missing[i];
    size_t most = all > NAMED_MOST ? NAMED_MOST : all;
    used =
        (size_t)snprintf(out.text, sizeof out.text, "observation%s", all == 1 ? "" : "s");
    for (size_t i = 0; i < n && named < most && used < sizeof out.text; i++)
        if (missing[i]) {
            bool last = ++named == all && all > 1;
            used += (size_t)snprintf(out.text + used, sizeof out.text - used, "%s %zu",
                                     last        ? " and"
                                     : named > 1 ? ","
                                                 : "",
                                     i);
        }
    if (all > most && used < sizeof out.text)
        snprintf(out.text + used, sizeof out.text - used, " and %zu more", all - most);
    return out;
}

json_t *numbers_json(size_t n, const double *value)
{
    json_t *list = json_array();

    for (size_t i = 0; i < n; i++)
        json_array_append_new(list, json_number(value[i]));
    return list;
}
