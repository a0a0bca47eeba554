/*
 * Status parsers that Debian 12's library does not have. What they should answer stands in status_new.out.
 */
#include <libdevmapper.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct dm_pool *pool;

static void writecache(const char *line)
{
	struct dm_status_writecache *s;

	printf("writecache |%s| ", line);
	if (!dm_get_status_writecache(pool, line, &s))
		printf("0\n");
	else
		printf("%llu %llu %llu %llu\n", (unsigned long long) s->error, (unsigned long long) s->total_blocks,
		       (unsigned long long) s->free_blocks, (unsigned long long) s->writeback_blocks);
}

static void integrity(const char *line)
{
	struct dm_status_integrity *s;

	printf("integrity |%s| ", line);
	if (!dm_get_status_integrity(pool, line, &s))
		printf("0\n");
	else
		printf("%llu %llu %llu\n", (unsigned long long) s->number_of_mismatches,
		       (unsigned long long) s->provided_data_sectors, (unsigned long long) s->recalc_sector);
}

static void vdo_status(const char *line, struct dm_pool *mem)
{
	struct dm_vdo_status_parse_result r;

	printf("vdo |%s| ", line);
	if (!dm_vdo_status_parse(mem, line, &r)) {
		printf("%s\n", r.error);
		return;
	}
	printf("%s mode %d recovering %d index %d compression %d %llu/%llu\n", r.status->device,
	       (int) r.status->operating_mode, r.status->recovering, (int) r.status->index_state,
	       (int) r.status->compression_state, (unsigned long long) r.status->used_blocks,
	       (unsigned long long) r.status->total_blocks);
	if (!mem) {
		free(r.status->device);
		free(r.status);
	}
}

static void vdo_stats(unsigned flags, struct dm_pool *mem)
{
	static const char text[] = "{ version : 36, dataBlocksUsed : 10, blockSize : 4096, logicalBlockSize : 512, "
				   "mode : read-only, biosIn : { read : 1, write : 2, }, journal : { entries : { started : 7, }, }, "
				   "KVDOModuleBytesUsed : 5, currentVIOsInProgress : 6, logicalBlocks : 99, }";
	struct dm_vdo_stats_full *full = dm_vdo_stats_parse(mem, text, flags);

	printf("stats %llu %llu %llu %llu in %llu mode %d fields %u\n", (unsigned long long) full->stats->data_blocks_used,
	       (unsigned long long) full->stats->bytes_per_physical_block,
	       (unsigned long long) full->stats->bytes_per_logical_block, (unsigned long long) full->stats->logical_blocks,
	       (unsigned long long) full->stats->bios_in, (int) full->stats->operating_mode, full->field_count);
	for (unsigned i = 0; i < full->field_count; i++)
		printf("  %s: %s\n", full->fields[i].label, full->fields[i].value);
	if (!mem)
		dm_free(full);
}

static void vdo_params(void)
{
	struct dm_vdo_target_params p = { .minimum_io_size = 8, .block_map_cache_size_mb = 128, .block_map_era_length = 16380,
					  .index_memory_size_mb = 256, .slab_size_mb = 2048, .max_discard = 1500,
					  .ack_threads = 1, .bio_threads = 4, .bio_rotation = 64, .cpu_threads = 2,
					  .hash_zone_threads = 1, .logical_threads = 1, .physical_threads = 1 };

	printf("params %d", dm_vdo_validate_target_params(&p, 1000));
	printf(" %d", dm_vdo_validate_target_params(&p, DM_VDO_LOGICAL_SIZE_MAXIMUM + 1));
	p.write_policy = 4;
	printf(" %d", dm_vdo_validate_target_params(&p, 1000));
	p.write_policy = 3;
	p.cpu_threads = 0;
	printf(" %d\n", dm_vdo_validate_target_params(&p, 1000));
}

static void superblock(int extended)
{
	static unsigned char block[4096];
	unsigned n = 77, cleared = 77, after = 77;
	unsigned long rest = 0;
	FILE *f;

	memset(block, 0xff, sizeof(block));
	memcpy(block, "DmRd", 4);
	memset(block + 4, 0, 4);
	block[4] = extended;
	memset(block + 24, 0, 8);
	block[24] = 3;
	memset(block + 120, 0, 24);
	block[120] = 7;
	f = fopen("superblock", "w");
	if (!f || fwrite(block, sizeof(block), 1, f) != 1)
		exit(1);
	fclose(f);
	printf("superblock %d", dm_raid_count_failed_devices("superblock", &n));
	printf(" %d", dm_raid_clear_failed_devices("superblock", &cleared));
	printf(" %d", dm_raid_count_failed_devices("superblock", &after));
	printf(" %d", dm_raid_count_failed_devices("superblock", NULL));
	f = fopen("superblock", "r");
	if (!f || fread(block, sizeof(block), 1, f) != 1)
		exit(1);
	fclose(f);
	for (unsigned i = 60; i < sizeof(block); i++)
		rest += block[i];
	printf(" failed %u %u %u, rest %lu\n", n, cleared, after, rest);
	remove("superblock");
}

int main(void)
{
	uint64_t blocks = 5;

	pool = dm_pool_create("status", 1024);
	writecache("0 2000 1000 7 1 2 3");
	writecache("0 2000 1000");
	integrity("3 204800 -");
	integrity("3 204800 4096");
	integrity("3 204800 0x10");
	integrity("3 204800");
	vdo_status("/dev/dm-3 read-only recovering opening offline 12 5000", pool);
	vdo_status("/dev/dm-3 normal - online online 12 5000", NULL);
	vdo_status("/dev/dm-3 normal - online online 12", pool);
	vdo_status("/dev/dm-3 sick", pool);
	vdo_status("/dev/dm-3 normal - online online 12 5000 x", pool);
	vdo_stats(DM_VDO_STATS_BASIC, pool);
	vdo_stats(DM_VDO_STATS_FULL, NULL);
	vdo_params();
	superblock(0);
	superblock(1);
	printf("size %d", dm_vdo_parse_logical_size("/dev/null", &blocks));
	printf(" %llu\n", (unsigned long long) blocks);
	dm_pool_destroy(pool);
	return 0;
}
