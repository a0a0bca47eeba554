/* A report of 100,000 rows with two sort keys and a selection. */
#include "bench.h"

#define ROWS 100000

struct volume {
	char name[24], group[16];
	const char *attr;
	uint64_t size;
	uint32_t segments;
	dm_percent_t data;
};

static int string_fn(struct dm_report *rh, struct dm_pool *mem, struct dm_report_field *field, const void *data, void *private)
{
	const char *text = data;

	return dm_report_field_string(rh, field, &text);
}

static int attr_fn(struct dm_report *rh, struct dm_pool *mem, struct dm_report_field *field, const void *data, void *private)
{
	return dm_report_field_string(rh, field, (const char *const *) data);
}

static int count_fn(struct dm_report *rh, struct dm_pool *mem, struct dm_report_field *field, const void *data, void *private)
{
	return dm_report_field_uint32(rh, field, data);
}

/* As lvm shows sizes: a text of its own beside the number to sort by. */
static int size_fn(struct dm_report *rh, struct dm_pool *mem, struct dm_report_field *field, const void *data, void *private)
{
	const uint64_t *size = data;
	const char *text = dm_size_to_string(mem, *size, 'h', 1, 0, 0, DM_SIZE_SHORT);
	uint64_t *sort = dm_pool_alloc(mem, sizeof(*sort));

	if (!text || !sort)
		return 0;
	*sort = *size;
	dm_report_field_set_value(field, text, sort);
	return 1;
}

static int percent_fn(struct dm_report *rh, struct dm_pool *mem, struct dm_report_field *field, const void *data, void *private)
{
	return dm_report_field_percent(rh, field, data);
}

static void *object_fn(void *object)
{
	return object;
}

static const struct dm_report_object_type types[] = { { 1, "Logical Volume", "lv_", object_fn }, { 0, "", "", NULL } };
static const struct dm_report_field_type fields[] = {
	{ 1, DM_REPORT_FIELD_TYPE_STRING, offsetof(struct volume, name), 8, "name", "LV", string_fn, "Name." },
	{ 1, DM_REPORT_FIELD_TYPE_STRING, offsetof(struct volume, group), 4, "vg_name", "VG", string_fn, "Volume group." },
	{ 1, DM_REPORT_FIELD_TYPE_STRING, offsetof(struct volume, attr), 10, "attr", "Attr", attr_fn, "Attributes." },
	{ 1, DM_REPORT_FIELD_TYPE_SIZE, offsetof(struct volume, size), 6, "size", "LSize", size_fn, "Size." },
	{ 1, DM_REPORT_FIELD_TYPE_NUMBER, offsetof(struct volume, segments), 4, "segs", "#Seg", count_fn, "Segments." },
	{ 1, DM_REPORT_FIELD_TYPE_PERCENT, offsetof(struct volume, data), 6, "data", "Data%", percent_fn, "Data." },
	{ 0, 0, 0, 0, "", "", NULL, NULL },
};

int main(void)
{
	static struct volume volumes[ROWS];
	static const char *const attrs[] = { "-wi-a-----", "Vwi-a-tz--", "rwi-aor---", "-wi-------" };
	uint32_t type = 1;
	struct dm_report *rh;
	int i;

	for (i = 0; i < ROWS; i++) {
		struct volume *v = &volumes[i];
		snprintf(v->name, sizeof(v->name), "lvol%u", bench_random() % 1000000);
		snprintf(v->group, sizeof(v->group), "vg%u", bench_random() % 50);
		v->attr = attrs[bench_random() % 4];
		v->size = (uint64_t) (bench_random() % 100000 + 1) * 8192;
		v->segments = bench_random() % 5;
		v->data = dm_make_percent(bench_random() % 1000, 1000);
	}
	bench_begin();
	rh = dm_report_init_with_selection(&type, types, fields, "name,vg_name,attr,size,segs,data", " ",
					   DM_REPORT_OUTPUT_ALIGNED | DM_REPORT_OUTPUT_BUFFERED | DM_REPORT_OUTPUT_HEADINGS,
					   "vg_name,-size", "(segs>0 && name=~\"[0-4]$\") || size>500m", NULL, NULL);
	bench_check(rh != NULL, "init");
	for (i = 0; i < ROWS; i++)
		bench_check(dm_report_object(rh, &volumes[i]), "object");
	bench_end("report rows");
	bench_check(dm_report_output(rh), "output");
	bench_end("report sort and output");
	dm_report_free(rh);
	bench_end("report free");
	return bench_finish();
}
