//! What all nodes together come to: sums, averages, counts, extremes.
