//! Distances of contacts when near sites are preferred (Demers 1987, section 3, with the errata of the technical report).

use libm::{log, pow};

/// The mean distance of a contact on a ring of `n` sites, when a site at distance d is chosen with probability proportional to d^-`a`. Exact.
pub fn ring_mean_distance(n: u64, a: f64) -> f64 {
    let (mut weight, mut distance) = (0.0, 0.0);
    // From the far, small terms to the near, large ones.
    for d in (1..=n / 2).rev() {
        let sites = if 2 * d == n { 1.0 } else { 2.0 };
        let w = sites * pow(d as f64, -a);
        weight += w;
        distance += w * d as f64;
    }
    distance / weight
}

/// Growth with `n` of the traffic on one link of a line of `n` sites, up to a constant: n below a = 1; n/log n there; n^(2-a) up to 2; log n
/// there; constant beyond (errata of the technical report).
pub fn link_traffic_order(n: f64, a: f64) -> f64 {
    match a {
        a if a < 1.0 => n,
        1.0 => n / log(n),
        a if a < 2.0 => pow(n, 2.0 - a),
        2.0 => log(n),
        _ => 1.0,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::theory::assert_near;

    #[test]
    fn the_mean_distances_are_the_known_ones() {
        let known = [
            (0.0, [250.0, 2_500.0, 25_000.0], 1.0),
            (1.0, [73.6, 550.0, 4_387.0], 1.0),
            (1.5, [17.2, 54.2, 171.0], 0.5),
            (2.0, [4.13, 5.53, 6.93], 0.01),
            (3.0, [1.37, 1.37, 1.37], 0.01),
        ];
        for (a, distances, tolerance) in known {
            for (n, expected) in [1_000, 10_000, 100_000].into_iter().zip(distances) {
                assert_near(&format!("a = {a}, n = {n}"), ring_mean_distance(n, a), expected, tolerance);
            }
        }
    }

    #[test]
    fn traffic_grows_as_the_mean_distance() {
        // On a ring the traffic of a link is the mean distance of a contact, so both grow by the same factor.
        for (a, tolerance) in [(0.0, 0.01), (1.0, 0.05), (1.5, 0.05), (2.0, 0.15), (3.0, 0.01)] {
            let grown = ring_mean_distance(100_000, a) / ring_mean_distance(1_000, a);
            let ordered = link_traffic_order(1e5, a) / link_traffic_order(1e3, a);
            assert_near(&format!("a = {a}"), grown / ordered, 1.0, tolerance);
        }
    }
}
