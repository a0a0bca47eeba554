# $NetBSD$

PKG_OPTIONS_VAR=	PKG_OPTIONS.lvm2
PKG_SUPPORTED_OPTIONS=	debug
PKG_SUGGESTED_OPTIONS=	# none

.include "../../mk/bsd.options.mk"

.if !empty(PKG_OPTIONS:Mdebug)
CONFIGURE_ARGS+=	--enable-debug
INSTALL_UNSTRIPPED=	yes
.endif
