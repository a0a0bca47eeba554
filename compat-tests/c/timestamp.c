/* Timestamps: order and differences of what the clock gives. */
#include <libdevmapper.h>

int main(void)
{
	struct dm_timestamp *a = dm_timestamp_alloc(), *b = dm_timestamp_alloc();

	printf("%d %d\n", dm_timestamp_compare(a, b), dm_timestamp_delta(a, b) == 0);
	printf("%d\n", dm_timestamp_get(a));
	do
		printf("%.0d", !dm_timestamp_get(b));
	while (!dm_timestamp_delta(a, b));
	printf("%d %d %d %d\n", dm_timestamp_compare(a, b), dm_timestamp_compare(b, a), dm_timestamp_compare(a, a),
	       dm_timestamp_delta(a, b) == dm_timestamp_delta(b, a));
	printf("%d\n", dm_timestamp_delta(a, b) < UINT64_C(10000000000));
	dm_timestamp_copy(a, b);
	printf("%d %d\n", dm_timestamp_compare(a, b), dm_timestamp_delta(a, b) == 0);
	printf("%d\n", dm_timestamp_get(NULL));
	dm_timestamp_destroy(a);
	dm_timestamp_destroy(b);
	dm_timestamp_destroy(NULL);
	return 0;
}
