//! Table lines of each target.

use super::*;
use crate::status::vdo::TargetParams;
use crate::tree::segment::*;

/// A tree with `count` devices `d0`, `d1` ... at 254:0, 254:1 ..., each 100000 sectors on RAM disks.
fn devices(count: usize) -> (Rc<Fake>, Tree) {
    let (fake, tree) = tree();
    fake.raid_version.set(Some([1, 15, 1]));
    for n in 0..count {
        linear(&tree, &format!("d{n}"), 100_000, &format!("/dev/ram{n}"), 0);
    }
    bring_up(&tree);
    (fake, tree)
}

fn d(n: usize) -> BString {
    format!("LVM-d{n}").into()
}

/// Loads `id`, called `x`, and compares the lines. The result begins with the start and length of each line.
#[track_caller]
fn check(fake: &Fake, tree: &Tree, want: &[&str]) {
    tree.preload_children(ROOT, None).unwrap();
    let lines = fake.inactive("x");
    assert_eq!(lines, want);
}

#[test]
fn error_zero_striped_linear() {
    let (fake, tree) = devices(3);
    let x = device(&tree, "x");
    tree.add_error_target(x, 8).unwrap();
    tree.add_zero_target(x, 16).unwrap();
    tree.add_striped_target(x, 2304, 128).unwrap();
    for n in 0..3 {
        area(&tree, x, &format!("d{n}"), 8 * n);
    }
    tree.add_linear_target(x, 8).unwrap();
    area(&tree, x, "d0", 0);
    area(&tree, x, "d1", 4);
    check(
        &fake,
        &tree,
        &[
            "0 8 error",
            "8 16 zero",
            "24 2304 striped 3 128 254:0 0 254:1 8 254:2 16",
            "2328 8 linear 254:0 0 254:1 4",
        ],
    );
}

#[test]
fn crypt() {
    let (fake, tree) = devices(1);
    let x = device(&tree, "x");
    for (n, (iv, offset)) in [("essiv:sha256", 0), ("", IV_OFFSET_DEFAULT), ("", 7)]
        .into_iter()
        .enumerate()
    {
        let (chainmode, iv) = if iv.is_empty() {
            ("plain", None)
        } else {
            ("cbc", Some(iv))
        };
        let cipher = if n == 0 { "aes" } else { "aes-cbc" };
        tree.add_crypt_target(
            x,
            8,
            Crypt {
                cipher: cipher.into(),
                chainmode: Some(chainmode.into()),
                iv: iv.map(BString::from),
                iv_offset: offset,
                key: "KEY".into(),
            },
        )
        .unwrap();
        area(&tree, x, "d0", 16 * n as u64);
    }
    check(
        &fake,
        &tree,
        &[
            "0 8 crypt aes-cbc-essiv:sha256 KEY 0 254:0 0",
            "8 8 crypt aes-cbc-plain KEY 8 254:0 16",
            "16 8 crypt aes-cbc-plain KEY 7 254:0 32",
        ],
    );
}

#[test]
fn lines_without_a_device_are_refused() {
    for kind in 0..3 {
        let (fake, tree) = devices(1);
        let x = device(&tree, "x");
        match kind {
            0 => tree.add_linear_target(x, 8).unwrap(),
            1 => tree.add_crypt_target(x, 8, Crypt::default()).unwrap(),
            _ => {
                // raid with half a leg
                let raid = Raid::new(RaidType::from_name(b"raid1").unwrap());
                tree.add_raid_target(x, 8, raid).unwrap();
                area(&tree, x, "d0", 0);
            }
        }
        assert!(tree.preload_children(ROOT, None).is_err());
        assert_eq!(fake.names(), ["d0"], "what was created is gone again");
    }
}

#[test]
fn long_lines_end_somewhere() {
    let (fake, tree) = devices(1);
    let x = device(&tree, "x");
    tree.add_striped_target(x, 8, 8).unwrap();
    for _ in 0..20_000 {
        area(&tree, x, "d0", 0);
    }
    tree.preload_children(ROOT, None).unwrap();
    assert_eq!(
        fake.inactive("x")[0].len(),
        "0 8 striped 20000 8".len() + 20_000 * " 254:0 0".len()
    );
    let y = device(&tree, "y");
    tree.add_striped_target(y, 8, 8).unwrap();
    for _ in 0..40_000 {
        area(&tree, y, "d0", 0);
    }
    assert!(tree.preload_children(ROOT, None).is_err());
    let z = device(&tree, "z");
    tree.add_zero_target(z, u64::MAX).unwrap();
    tree.add_zero_target(z, 1).unwrap();
    assert!(tree.preload_children(ROOT, None).is_err(), "the length overflows");
}

#[test]
fn mirror() {
    use MirrorFlags as F;
    let none = F::default();
    for (flags, log, clustered, want) in [
        (
            F::NOSYNC | F::CORELOG,
            None,
            false,
            "core 2 1024 nosync 2 254:1 0 254:2 8",
        ),
        (
            F::FORCESYNC | F::CORELOG | F::BLOCK_ON_ERROR,
            None,
            false,
            "core 2 1024 sync 2 254:1 0 254:2 8 1 handle_errors",
        ),
        (none, None, false, "core 1 1024 2 254:1 0 254:2 8"),
        (
            F::BLOCK_ON_ERROR,
            Some("LVM-d0"),
            false,
            "disk 2 254:0 1024 2 254:1 0 254:2 8 1 handle_errors",
        ),
        (
            F::BLOCK_ON_ERROR | F::NOSYNC,
            Some("LVM-d0"),
            false,
            "disk 3 254:0 1024 nosync 2 254:1 0 254:2 8 1 handle_errors",
        ),
        (
            F::BLOCK_ON_ERROR | F::NOSYNC | F::CORELOG,
            Some("UUID"),
            true,
            "userspace 4 UUID clustered-core 1024 nosync 2 254:1 0 254:2 8 1 handle_errors",
        ),
        (
            F::BLOCK_ON_ERROR,
            Some("LVM-d0"),
            true,
            "userspace 4 LVM-d0 clustered-disk 254:0 1024 2 254:1 0 254:2 8 1 handle_errors",
        ),
    ] {
        let (fake, tree) = devices(3);
        let x = device(&tree, "x");
        tree.add_mirror_target(x, 64).unwrap();
        let log = MirrorLog {
            region_size: 1024,
            clustered,
            uuid: log.map(BStr::new),
            area_count: 2,
            flags,
        };
        tree.add_mirror_target_log(x, log).unwrap();
        area(&tree, x, "d1", 0);
        area(&tree, x, "d2", 8);
        check(&fake, &tree, &[&format!("0 64 mirror {want}")]);
    }
    let (_, tree) = devices(1);
    let x = device(&tree, "x");
    let log = MirrorLog {
        uuid: Some(BStr::new("LVM-none")),
        ..MirrorLog::default()
    };
    assert!(tree.add_mirror_target_log(x, log).is_err(), "no segment");
    tree.add_mirror_target(x, 64).unwrap();
    assert!(tree.add_mirror_target_log(x, log).is_err(), "no log device");
}

#[test]
fn raid() {
    let new = |name: &str| Raid {
        region_size: 1024,
        ..Raid::new(RaidType::from_name(name.as_bytes()).unwrap())
    };
    let sync = RaidFlags {
        nosync: false,
        forcesync: true,
    };
    let nosync = RaidFlags {
        nosync: true,
        forcesync: false,
    };
    for (raid, areas, want) in [
        (new("raid1"), 4, "raid1 3 0 region_size 1024 2 254:0 254:1 254:2 254:3"),
        (
            Raid {
                stripe_size: 128,
                flags: sync,
                rebuilds: [2, 0, 0, 0],
                ..new("raid1")
            },
            4,
            "raid1 6 128 sync rebuild 1 region_size 1024 2 254:0 254:1 254:2 254:3",
        ),
        (
            Raid {
                region_size: 0,
                stripe_size: 128,
                ..new("raid0_meta")
            },
            4,
            "raid0 1 128 2 254:0 254:1 254:2 254:3",
        ),
        (
            Raid {
                stripe_size: 128,
                flags: nosync,
                ..new("raid10")
            },
            8,
            "raid10 4 128 nosync region_size 1024 4 254:0 254:1 254:2 254:3 254:4 254:5 254:6 254:7",
        ),
        (
            Raid {
                stripe_size: 64,
                ..new("raid5")
            },
            6,
            "raid5_ls 3 64 region_size 1024 3 254:0 254:1 254:2 254:3 254:4 254:5",
        ),
        (
            Raid {
                rebuilds: [1, 0, 0, 0],
                min_recovery_rate: 100,
                max_recovery_rate: 2000,
                write_mostly: [2, 0, 0, 0],
                write_behind: 256,
                ..new("raid1")
            },
            4,
            "raid1 13 0 rebuild 0 min_recovery_rate 100 max_recovery_rate 2000 write_mostly 1 max_write_behind 256 \
             region_size 1024 2 254:0 254:1 254:2 254:3",
        ),
        (
            Raid {
                stripe_size: 128,
                rebuilds: [4, 0, 0, 0],
                data_copies: 2,
                ..new("raid10_near")
            },
            8,
            "raid10 7 128 rebuild 2 region_size 1024 raid10_copies 2 4 254:0 254:1 254:2 254:3 254:4 254:5 254:6 254:7",
        ),
        (
            Raid {
                stripe_size: 128,
                delta_disks: -1,
                data_offset: 8192,
                ..new("raid5_ls")
            },
            2,
            "raid5_ls 7 128 region_size 1024 delta_disks -1 data_offset 8192 1 254:0 254:1",
        ),
        (
            Raid {
                data_offset: 1,
                data_copies: 3,
                rebuilds: [0, 1, 0, 0],
                ..new("raid6")
            },
            2,
            "raid6_zr 5 0 region_size 1024 data_offset 0 1 254:0 254:1",
        ),
    ] {
        let (fake, tree) = devices(8);
        let x = device(&tree, "x");
        tree.add_raid_target(x, 64, raid).unwrap();
        for n in 0..areas {
            area(&tree, x, &format!("d{n}"), 0);
        }
        check(&fake, &tree, &[&format!("0 64 raid {want}")]);
    }
    assert!(RaidType::from_name(b"linear").is_err() && RaidType::from_name(b"raid7").is_err());
}

#[test]
fn raid_versions_and_missing_legs() {
    let (fake, tree) = devices(4);
    fake.raid_version.set(Some([1, 9, 1]));
    let x = device(&tree, "x");
    let raid = Raid {
        region_size: 1024,
        stripe_size: 64,
        delta_disks: 1,
        data_offset: 8,
        rebuilds: [1, 0, 0, 0],
        write_mostly: [2, 0, 0, 0],
        write_behind: 9,
        data_copies: 2,
        max_recovery_rate: 7,
        min_recovery_rate: 6,
        flags: RaidFlags {
            nosync: true,
            forcesync: true,
        },
        ..Raid::new(RaidType::from_name(b"raid10").unwrap())
    };
    tree.add_raid_target(x, 64, raid).unwrap();
    assert!(tree.add_null_area(x).is_err(), "raid10 has no missing legs");
    for n in 0..4 {
        area(&tree, x, &format!("d{n}"), 0);
    }
    check(
        &fake,
        &tree,
        &[
            "0 64 raid raid10 20 64 raid10_copies 2 nosync region_size 1024 data_offset 8 delta_disks 1 rebuild 0 \
           write_mostly 1 max_write_behind 9 max_recovery_rate 7 min_recovery_rate 6 2 254:0 254:1 254:2 254:3",
        ],
    );

    let (fake, tree) = devices(4);
    let x = device(&tree, "x");
    let raid = Raid {
        region_size: 1024,
        ..Raid::new(RaidType::from_name(b"raid1").unwrap())
    };
    tree.add_raid_target(x, 64, raid.clone()).unwrap();
    area(&tree, x, "d2", 0);
    area(&tree, x, "d3", 0);
    tree.add_null_area(x).unwrap();
    tree.add_null_area(x).unwrap();
    check(
        &fake,
        &tree,
        &["0 64 raid raid1 3 0 region_size 1024 2 254:2 254:3 - -"],
    );

    let (fake, tree) = devices(2);
    fake.raid_version.set(None);
    let x = device(&tree, "x");
    tree.add_raid_target(x, 64, raid).unwrap();
    area(&tree, x, "d0", 0);
    area(&tree, x, "d1", 0);
    assert!(tree.preload_children(ROOT, None).is_err(), "the driver has no raid");
}

#[test]
fn snapshots() {
    let (fake, tree) = devices(2);
    let x = device(&tree, "x");
    let snapshot = Snapshot {
        persistent: false,
        chunk_size: 8,
    };
    tree.add_snapshot_target(x, 64, d(0).as_ref(), d(1).as_ref(), snapshot)
        .unwrap();
    check(&fake, &tree, &["0 64 snapshot 254:0 254:1 N 8"]);
    let (fake, tree) = devices(2);
    let x = device(&tree, "x");
    tree.add_snapshot_merge_target(x, 64, d(0).as_ref(), d(1).as_ref(), BStr::new("LVM-gone"), 16)
        .unwrap();
    check(&fake, &tree, &["0 64 snapshot-merge 254:0 254:1 P 16"]);
    let none = BStr::new("LVM-none");
    assert!(tree.add_snapshot_origin_target(x, 8, none).is_err());
    assert!(tree.add_snapshot_target(x, 8, none, d(1).as_ref(), snapshot).is_err());
    assert!(
        tree.add_snapshot_merge_target(x, 8, d(0).as_ref(), none, none, 8)
            .is_err()
    );
}

#[test]
fn thin() {
    let pool = |size, low, skip| ThinPool {
        transaction_id: 0,
        metadata_uuid: BStr::new("LVM-d0"),
        data_uuid: BStr::new("LVM-d1"),
        data_block_size: size,
        low_water_mark: low,
        skip_block_zeroing: skip,
        crop_metadata: true,
    };
    for (low, skip, discard, no_space, read_only, want) in [
        (
            10,
            true,
            (false, true),
            true,
            false,
            "128 10 3 skip_block_zeroing no_discard_passdown error_if_no_space",
        ),
        (
            10,
            false,
            (true, false),
            false,
            true,
            "128 10 2 ignore_discard read_only",
        ),
        (0, false, (false, false), false, false, "128 0 0"),
    ] {
        let (fake, tree) = devices(2);
        let x = device(&tree, "x");
        tree.add_thin_pool_target(x, 64, pool(128, low, skip)).unwrap();
        tree.set_thin_pool_discard(x, discard.0, discard.1).unwrap();
        tree.set_thin_pool_error_if_no_space(x, no_space).unwrap();
        tree.set_thin_pool_read_only(x, read_only).unwrap();
        check(&fake, &tree, &[&format!("0 64 thin-pool 254:0 254:1 {want}")]);
    }
    let (fake, tree) = devices(4);
    let x = device(&tree, "x");
    for size in [127, 2_097_153] {
        assert!(tree.add_thin_pool_target(x, 64, pool(size, 0, false)).is_err());
    }
    assert!(tree.set_thin_pool_read_only(x, true).is_err(), "no segment");
    tree.add_thin_target(x, 64, d(2).as_ref(), MAX_DEVICE_ID).unwrap();
    assert!(tree.set_thin_pool_read_only(x, true).is_err(), "not a pool");
    assert!(tree.add_thin_target(x, 64, d(2).as_ref(), MAX_DEVICE_ID + 1).is_err());
    assert!(tree.add_thin_target(x, 64, BStr::new("none"), 1).is_err());
    tree.set_thin_external_origin(x, d(3).as_ref()).unwrap();
    check(&fake, &tree, &["0 64 thin 254:2 16777215 254:3"]);
}

#[test]
fn metadata_of_a_pool_is_cropped() {
    let (fake, tree) = tree();
    let meta = linear(&tree, "meta", 33_161_000, "/dev/ram0", 0);
    for _ in 0..2 {
        tree.add_linear_target(meta, 1000).unwrap();
        area(&tree, meta, "/dev/ram1", 0);
    }
    linear(&tree, "data", 1000, "/dev/ram2", 0);
    let x = device(&tree, "x");
    let pool = ThinPool {
        metadata_uuid: BStr::new("LVM-meta"),
        data_uuid: BStr::new("LVM-data"),
        data_block_size: 128,
        crop_metadata: true,
        ..ThinPool::default()
    };
    tree.add_thin_pool_target(x, 1000, pool).unwrap();
    tree.preload_children(ROOT, None).unwrap();
    assert_eq!(
        fake.live("meta"),
        ["0 33161000 linear 1:0 0", "33161000 216 linear 1:1 0"]
    );
}

#[test]
fn cache() {
    use CacheFeatures as F;
    let policy = |key: &str, value: u64| (BString::from(key), value);
    let with_threshold = [
        policy("sequential_threshold", 100),
        policy("migration_threshold", 16384),
        policy("random_threshold", 7),
    ];
    let default_threshold = [policy("migration_threshold", 2048)];
    for (features, name, settings, block, want) in [
        (
            1 | 8,
            Some("smq"),
            &with_threshold[..],
            128,
            "128 2 metadata2 writeback smq 6 migration_threshold 16384 sequential_threshold 100 random_threshold 7",
        ),
        (2, None, &default_threshold[..], 64, "64 1 writethrough default 0"),
        (
            4,
            Some("cleaner"),
            &[],
            512,
            "512 1 writethrough cleaner 2 migration_threshold 4096",
        ),
        (
            4,
            Some("smq"),
            &[],
            512,
            "512 1 passthrough smq 2 migration_threshold 4096",
        ),
    ] {
        let (fake, tree) = devices(3);
        let x = device(&tree, "x");
        let uuids = [d(0), d(1), d(2)];
        let cache = Cache {
            features: F::from_bits(features),
            data_uuid: uuids[0].as_ref(),
            metadata_uuid: uuids[1].as_ref(),
            origin_uuid: uuids[2].as_ref(),
            policy_name: name.map(BStr::new),
            policy_settings: settings,
            data_block_size: block,
        };
        tree.add_cache_target(x, 64, cache).unwrap();
        check(&fake, &tree, &[&format!("0 64 cache 254:1 254:0 254:2 {want}")]);

        for bits in [0, 3, 5, 7, 16 | 1, 8] {
            assert!(
                tree.add_cache_target(
                    x,
                    64,
                    Cache {
                        features: F::from_bits(bits),
                        ..cache
                    }
                )
                .is_err(),
                "{bits}"
            );
        }
        for data_block_size in [63, 2_097_153] {
            assert!(
                tree.add_cache_target(
                    x,
                    64,
                    Cache {
                        data_block_size,
                        ..cache
                    }
                )
                .is_err()
            );
        }
        let y = device(&tree, "y");
        assert!(tree.add_cachevol_target(y, 64, BStr::new(""), cache).is_err());
        let no_data = Cache {
            data_uuid: BStr::new(""),
            ..cache
        };
        assert!(tree.add_cachevol_target(y, 64, BStr::new("v"), no_data).is_err());
        tree.add_cachevol_target(y, 64, BStr::new("v"), cache).unwrap();
        tree.preload_children(ROOT, None).unwrap();
        assert_eq!(fake.inactive("x"), fake.inactive("y"));
    }
}

#[test]
fn writecache() {
    let all = WritecacheSettings {
        high_watermark: Some(60),
        low_watermark: Some(30),
        writeback_jobs: Some(1024),
        autocommit_blocks: Some(512),
        autocommit_time: Some(500),
        fua: true,
        nofua: true,
        cleaner: true,
        max_age: Some(9000),
        metadata_only: true,
        pause_writeback: Some(100),
        other: Some(("newk".into(), "newv".into())),
    };
    for (pmem, block_size, settings, want) in [
        (false, 0, WritecacheSettings::default(), "s 254:1 254:0 4096 0"),
        (
            true,
            512,
            all,
            "p 254:1 254:0 512 20 high_watermark 60 low_watermark 30 writeback_jobs 1024 autocommit_blocks 512 \
             autocommit_time 500 fua nofua cleaner max_age 9000 metadata_only pause_writeback 100 newk newv",
        ),
    ] {
        let (fake, tree) = devices(2);
        let x = device(&tree, "x");
        let uuids = [d(0), d(1)];
        let w = Writecache {
            origin_uuid: uuids[1].as_ref(),
            cache_uuid: uuids[0].as_ref(),
            pmem,
            block_size,
            settings,
        };
        tree.add_writecache_target(x, 64, w).unwrap();
        check(&fake, &tree, &[&format!("0 64 writecache {want}")]);
    }
}

#[test]
fn integrity() {
    let short = IntegritySettings {
        mode: "J".into(),
        tag_size: 4,
        block_size: 512,
        internal_hash: "crc32c".into(),
        ..IntegritySettings::default()
    };
    let all = IntegritySettings {
        mode: "B".into(),
        block_size: 4096,
        journal_sectors: Some(1),
        interleave_sectors: Some(2),
        buffer_sectors: Some(3),
        journal_watermark: Some(4),
        commit_time: Some(5),
        bitmap_flush_interval: Some(6),
        sectors_per_bit: Some(7),
        allow_discards: true,
        ..short.clone()
    };
    for (settings, recalculate, want) in [
        (
            short,
            false,
            "J 4 fix_padding block_size:512 internal_hash:crc32c meta_device:254:0",
        ),
        (
            all,
            true,
            "B 13 fix_padding block_size:4096 internal_hash:crc32c meta_device:254:0 recalculate journal_sectors:1 \
             interleave_sectors:2 buffer_sectors:3 journal_watermark:4 commit_time:5 bitmap_flush_interval:6 \
             sectors_per_bit:7 allow_discards",
        ),
    ] {
        let (fake, tree) = devices(2);
        let x = device(&tree, "x");
        let uuids = [d(0), d(1)];
        let i = Integrity {
            origin_uuid: uuids[1].as_ref(),
            meta_uuid: uuids[0].as_ref(),
            settings,
            recalculate,
        };
        tree.add_integrity_target(x, 64, i).unwrap();
        check(&fake, &tree, &[&format!("0 64 integrity 254:1 0 4 {want}")]);
    }
}

#[test]
fn vdo() {
    let v2 = TargetParams {
        minimum_io_size: 8,
        block_map_cache_size_mb: 128,
        block_map_era_length: 16_380,
        index_memory_size_mb: 256,
        slab_size_mb: 2048,
        max_discard: 1500,
        ack_threads: 1,
        bio_threads: 4,
        bio_rotation: 64,
        cpu_threads: 2,
        hash_zone_threads: 1,
        logical_threads: 1,
        physical_threads: 1,
        use_compression: true,
        use_deduplication: false,
        use_metadata_hints: true,
        use_sparse_index: false,
        write_policy: 2,
    };
    let v4 = TargetParams {
        minimum_io_size: 1,
        block_map_cache_size_mb: 200,
        max_discard: 1,
        ack_threads: 0,
        bio_threads: 1,
        hash_zone_threads: 0,
        logical_threads: 0,
        physical_threads: 0,
        ..v2
    };
    for (version, params, blocks, want) in [
        (
            2,
            v2,
            None,
            "0 64 vdo V2 /dev/dm-0 4096 4096 32768 16380 on async vdopool maxDiscard 1500 ack 1 bio 4 \
             bioRotationInterval 64 cpu 2 hash 1 logical 1 physical 1",
        ),
        (
            4,
            v4,
            Some(100),
            "0 800 vdo V4 /dev/dm-0 4096 512 51200 16380 deduplication off compression on maxDiscard 1 ack 0 bio 1 \
             bioRotationInterval 64 cpu 2 hash 0 logical 0 physical 0",
        ),
    ] {
        let (fake, tree) = devices(1);
        fake.vdo_blocks.set(blocks);
        let x = device(&tree, "x");
        let uuid = d(0);
        let vdo = Vdo {
            version,
            pool_name: BStr::new("vdopool"),
            data_uuid: uuid.as_ref(),
            data_size: 32768,
            params,
        };
        tree.add_vdo_target(x, 64, vdo).unwrap();
        check(&fake, &tree, &[want]);
        let bad = Vdo {
            params: TargetParams {
                cpu_threads: 0,
                ..params
            },
            ..vdo
        };
        assert!(tree.add_vdo_target(x, 64, bad).is_err());
    }
}

#[test]
fn replicators_are_refused() {
    let (_, tree) = tree();
    assert!(tree.add_replicator().is_err() && tree.add_replicator_dev().is_err());
}
