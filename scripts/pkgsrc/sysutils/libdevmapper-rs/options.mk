# $NetBSD$

PKG_OPTIONS_VAR=	PKG_OPTIONS.libdevmapper-rs
PKG_SUPPORTED_OPTIONS=	debug
PKG_SUGGESTED_OPTIONS=	# none

.include "../../mk/bsd.options.mk"

# Checks of arithmetic, and line tables in the library.
.if !empty(PKG_OPTIONS:Mdebug)
BUILD_LIB_ARGS+=	--debug
INSTALL_UNSTRIPPED=	yes
.endif
