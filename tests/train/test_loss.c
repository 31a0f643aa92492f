/* The list of losses. */
#include "train/train.h"

#include <criterion/criterion.h>
#include <math.h>

Test(loss, is_found_by_name)
{
    cr_assert_eq(loss_find("nre_a"), &loss_nre_a);
    cr_assert_null(loss_find("nre_z"));
    cr_assert_null(loss_find(""));
}

Test(loss, list_agrees_with_find_and_describes_itself)
{
    size_t n;
    const loss *const *all = loss_list(&n);
    cr_assert_gt(n, 0);
    for (size_t i = 0; i < n; i++) {
        cr_assert_eq(loss_find(all[i]->name), all[i]);
        cr_assert_not_null(all[i]->summary);
        cr_assert_not_null(all[i]->reference);
    }
}
