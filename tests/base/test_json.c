/* JSON files. */
#include "scratch.h"

#include "base/base.h"

#include <math.h>

Test(json, saved_and_loaded)
{
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "a.json");
    json_t *saved =
        json_pack("{s:f, s:i, s:s}", "zeta", 0.1, "alpha", 3, "name", "m_{WDM}");
    json_t *loaded = NULL;

    json_object_set_new(saved, "gain", json_number(NAN));
    json_object_set_new(saved, "area", json_number(1.0 / 3));
    cr_assert_eq(json_save(path, saved), 0);
    cr_assert_eq(json_load_path(path, 10000, &loaded), 0);
    cr_assert(json_equal(saved, loaded));
    cr_assert(json_is_null(json_object_get(loaded, "gain")));
    cr_assert_eq(json_real_value(json_object_get(loaded, "area")), 1.0 / 3);
    cr_assert_str_eq(json_object_iter_key(json_object_iter(loaded)), "zeta");
    json_decref(saved);
    json_decref(loaded);
    scratch_free(&s);
}

Test(json, what_is_not_json_is_refused_with_its_place)
{
    static const struct {
        const char *text, *message;
    } bad[] = {{"{\"a\": 1,\n \"a\": 2}", ":2:"},
               {"{\"a\": }", ":1:"},
               {"", ":1:"},
               {"[1, 2", ":1:"},
               {"[1] 2", ":1:"},
               {"[\"\xff\"]", ":1:"}};
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "a.json");

    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        json_t *loaded = NULL;
        file_print(path, "%s", bad[i].text);
        cr_assert_eq(json_load_path(path, 10000, &loaded), NRE_EFORMAT, "%s",
                     bad[i].text);
        cr_assert_null(loaded);
        cr_assert_not_null(strstr(error_message(), bad[i].message), "%s",
                           error_message());
        cr_assert_not_null(strstr(error_message(), path));
    }
    scratch_free(&s);
}

Test(json, deep_nesting_is_refused)
{
    static char text[100001];
    scratch s = scratch_new();
    const char *path = scratch_path(&s, "a.json");
    json_t *loaded;

    memset(text, '[', sizeof text - 1);
    file_write(path, text, sizeof text - 1);
    cr_assert_eq(json_load_path(path, sizeof text, &loaded), NRE_EFORMAT);
    cr_assert_eq(json_load_path(path, 1000, &loaded), NRE_EFORMAT);
    cr_assert_not_null(strstr(error_message(), "more than 1000 bytes"));
    scratch_free(&s);
}

Test(json, files_that_cannot_be)
{
    scratch s = scratch_new();
    json_t *value = json_object(), *loaded;

    cr_assert_eq(json_load_path(scratch_path(&s, "none"), 100, &loaded), NRE_EDATA);
    cr_assert_eq(json_save(scratch_path(&s, "none/a"), value), NRE_EIO);
    cr_assert_neq(json_save(scratch_path(&s, "a"), NULL), 0);
    json_decref(value);
    scratch_free(&s);
}
