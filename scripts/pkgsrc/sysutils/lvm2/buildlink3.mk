# $NetBSD$

BUILDLINK_TREE+=	lvm2

.if !defined(LVM2_BUILDLINK3_MK)
LVM2_BUILDLINK3_MK:=

BUILDLINK_API_DEPENDS.lvm2+=	lvm2>=2.03.31
BUILDLINK_PKGSRCDIR.lvm2?=	../../sysutils/lvm2

.include "../../sysutils/libdevmapper-rs/buildlink3.mk"
.endif	# LVM2_BUILDLINK3_MK

BUILDLINK_TREE+=	-lvm2
