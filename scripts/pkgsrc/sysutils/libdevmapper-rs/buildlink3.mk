# $NetBSD$

BUILDLINK_TREE+=	libdevmapper-rs

.if !defined(LIBDEVMAPPER_RS_BUILDLINK3_MK)
LIBDEVMAPPER_RS_BUILDLINK3_MK:=

BUILDLINK_API_DEPENDS.libdevmapper-rs+=	libdevmapper-rs>=0.1.0
BUILDLINK_PKGSRCDIR.libdevmapper-rs?=	../../sysutils/libdevmapper-rs
.endif	# LIBDEVMAPPER_RS_BUILDLINK3_MK

BUILDLINK_TREE+=	-libdevmapper-rs
