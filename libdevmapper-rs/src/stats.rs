//! Device-mapper statistics: regions, areas, groups, histograms.
