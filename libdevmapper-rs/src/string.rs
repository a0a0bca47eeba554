//! String helpers: quoting, splitting, dm names of LVM volumes.
