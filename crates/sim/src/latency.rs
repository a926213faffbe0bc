//! Distributions of one-way latency.

use crate::ids::{self, Group};
use rumormill_core::identity::NodeId;
use rumormill_core::rng::Rng;
use rumormill_core::time::{Duration, text};
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use std::sync::Arc;

/// Lower bound on latency, except in the synchronous world. It lets the executor run nodes ahead of each other.
pub const LATENCY_MIN: Duration = Duration::from_micros(100);
/// Upper bound on latency, whatever the tail of the distribution (our guess).
pub const LATENCY_MAX: Duration = Duration::from_secs(60);
/// Upper bound on the regions of a matrix (our guess: the file lists each pair of them).
pub const REGIONS_MAX: usize = 256;
/// Makes the draw of regions independent of other draws by a node's id.
const REGION_SALT: u64 = 0x5e61_0a75;

/// A distribution of one-way latency. Each datagram draws its own, so datagrams overtake each other.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Latency {
    /// Constant.
    Constant(#[serde(with = "text")] Duration),
    /// Uniform between two bounds.
    Uniform(#[serde(with = "text")] Duration, #[serde(with = "text")] Duration),
    /// `min` plus an exponentially distributed time.
    Exponential {
        /// Lower bound.
        #[serde(with = "text")]
        min: Duration,
        /// Mean, `min` included.
        #[serde(with = "text")]
        mean: Duration,
    },
    /// `median` times e^(`sigma`·z), with z normal.
    LogNormal {
        /// Median.
        #[serde(with = "text")]
        median: Duration,
        /// The spread: 0 is constant, 0.5 a wide-area network, 1 a bad one (our guess). At most 4.
        sigma: f64,
    },
    /// Pareto: at least `min`, and longer than x·`min` with probability x^-`alpha`: a heavy tail. The mean is `min`·α/(α-1).
    Pareto {
        /// Lower bound.
        #[serde(with = "text")]
        min: Duration,
        /// Exponent of the tail: 2.5 a busy network, 1.2 a bad one (our guess). Above 0.
        alpha: f64,
    },
    /// A matrix of medians between regions; in a file also `"planet"`, eight regions of the planet.
    Matrix(#[serde(with = "shared")] Arc<Matrix>),
}

/// Regions, and the median latency between each pair of them.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Matrix {
    /// A node is in the first region that names it, else in a region drawn by weight; if no region has a weight, in the first.
    pub regions: Vec<Group>,
    /// Median in milliseconds from the region of the row to the region of the column.
    pub median_ms: Vec<Vec<f64>>,
    /// Jitter as a share of the median, uniform on both sides. Below 1, so that the latency has a floor.
    #[serde(default)]
    pub jitter: f64,
}

/// Name and weight of a region, and the milliseconds to each region in the order of this table.
type Row = (&'static str, f64, [f64; 8]);

/// Eight regions of the planet: nodes of the Ethereum network by region, and medians between them, 2 to 220 ms, as in
/// `gossipsub-interop/network_graph.py` of the libp2p project's `test-plans`. (There the latency from South America to South Africa is
/// 195 ms, and 190 ms back.)
const PLANET: [Row; 8] = [
    ("australia", 290.0, [2.0, 165.0, 110.0, 180.0, 150.0, 110.0, 220.0, 190.0]),
    ("europe", 5_599.0, [165.0, 2.0, 125.0, 60.0, 70.0, 110.0, 95.0, 140.0]),
    ("east-asia", 1_059.0, [110.0, 125.0, 4.0, 110.0, 140.0, 100.0, 175.0, 175.0]),
    ("west-asia", 161.0, [180.0, 60.0, 110.0, 5.0, 110.0, 150.0, 110.0, 145.0]),
    ("na-east", 2_894.0, [150.0, 70.0, 140.0, 110.0, 2.0, 60.0, 130.0, 100.0]),
    ("na-west", 1_240.0, [110.0, 110.0, 100.0, 150.0, 60.0, 2.0, 160.0, 100.0]),
    ("south-africa", 47.0, [220.0, 95.0, 175.0, 110.0, 130.0, 160.0, 7.0, 190.0]),
    ("south-america", 36.0, [190.0, 140.0, 175.0, 145.0, 100.0, 100.0, 195.0, 7.0]),
];

impl Latency {
    /// Eight regions of the planet, 2 to 220 ms between them, within 5 % (the jitter is our guess). Source: see the file `latency`.
    pub fn planet() -> Latency {
        Latency::Matrix(Arc::new(Matrix::planet()))
    }

    /// Draws the latency of a packet, between [`LATENCY_MIN`] and [`LATENCY_MAX`].
    pub fn draw(&self, from: NodeId, to: NodeId, rng: &mut Rng) -> Duration {
        let drawn = match self {
            Latency::Constant(d) => *d,
            // The most frequent case, in whole nanoseconds: half the cost.
            Latency::Uniform(min, max) => {
                let (min, max) = (nanos(*min), nanos(*max));
                let drawn = (u128::from(rng.next()) * u128::from(max - min)) >> 64;
                return Duration::from_nanos(
                    (min + drawn as u64).clamp(nanos(LATENCY_MIN), nanos(LATENCY_MAX)),
                );
            }
            Latency::Exponential { min, mean } => *min + (*mean - *min).mul_f64(-libm::log(1.0 - rng.unit())),
            Latency::LogNormal { median, sigma } => {
                // Box and Muller 1958.
                let radius = libm::sqrt(-2.0 * libm::log(1.0 - rng.unit()));
                let normal = radius * libm::cos(core::f64::consts::TAU * rng.unit());
                median.mul_f64(libm::exp(sigma * normal))
            }
            Latency::Pareto { min, alpha } => {
                let times = libm::pow(1.0 - rng.unit(), -1.0 / alpha);
                min.mul_f64(times.min(LATENCY_MAX.as_secs_f64() / min.as_secs_f64().max(1e-9)))
            }
            Latency::Matrix(matrix) => matrix.draw(from, to, rng),
        };
        drawn.clamp(LATENCY_MIN, LATENCY_MAX)
    }

    /// Lower bound of this distribution, at least [`LATENCY_MIN`]: the time for which the executor can run nodes ahead of each other.
    pub fn floor(&self) -> Duration {
        let least = match self {
            Latency::Constant(d) => *d,
            Latency::Uniform(min, _) | Latency::Exponential { min, .. } | Latency::Pareto { min, .. } => *min,
            Latency::LogNormal { median, sigma } if *sigma == 0.0 => *median,
            Latency::LogNormal { .. } => Duration::ZERO,
            Latency::Matrix(matrix) => matrix.floor(),
        };
        // A nanosecond less, since multiplying a duration rounds.
        least.saturating_sub(Duration::from_nanos(1)).clamp(LATENCY_MIN, LATENCY_MAX)
    }

    /// Refuses a distribution that is not sound.
    ///
    /// # Errors
    /// Says what is wrong, and what to give instead.
    pub(crate) fn check(&self) -> Result<(), String> {
        let (low, high) = match self {
            Latency::Constant(d) => (*d, *d),
            Latency::Uniform(min, max) => (*min, *max),
            Latency::Exponential { min, mean } => (*min, *mean),
            Latency::LogNormal { median, sigma } => {
                if !(0.0..=4.0).contains(sigma) {
                    return Err(format!("sigma of the latency is {sigma}: give one between 0 and 4"));
                }
                (*median, *median)
            }
            Latency::Pareto { min, alpha } => {
                if !(*alpha > 0.0 && *alpha <= 1e3) {
                    return Err(format!("alpha of the latency is {alpha}: give one above 0, at most 1000"));
                }
                (*min, *min)
            }
            Latency::Matrix(matrix) => return matrix.check(),
        };
        if low > high {
            return Err(format!("the latency ranges from {low:?} down to {high:?}: swap them"));
        }
        if high > LATENCY_MAX {
            return Err(format!("a latency of {high:?} is above the most there is, {LATENCY_MAX:?}"));
        }
        Ok(())
    }
}

/// Nanoseconds of a latency of at most [`LATENCY_MAX`].
const fn nanos(latency: Duration) -> u64 {
    latency.as_secs() * 1_000_000_000 + latency.subsec_nanos() as u64
}

impl Matrix {
    /// See [`Latency::planet`].
    pub fn planet() -> Matrix {
        let region = |row: &Row| Group { name: row.0.into(), weight: row.1, ids: None };
        Matrix {
            regions: PLANET.iter().map(region).collect(),
            median_ms: PLANET.iter().map(|row| row.2.to_vec()).collect(),
            jitter: 0.05,
        }
    }

    /// Index of the region of a node.
    pub fn region_of(&self, id: NodeId) -> usize {
        ids::group_of(self.regions.iter().map(Group::pair), id, REGION_SALT).unwrap_or(0)
    }

    fn draw(&self, from: NodeId, to: NodeId, rng: &mut Rng) -> Duration {
        let median_ms = self.median_ms[self.region_of(from)][self.region_of(to)];
        let off = if self.jitter > 0.0 { self.jitter * (2.0 * rng.unit() - 1.0) } else { 0.0 };
        Duration::from_secs_f64(median_ms * (1.0 + off) / 1e3)
    }

    fn floor(&self) -> Duration {
        let least = self.median_ms.iter().flatten().copied().fold(f64::INFINITY, f64::min);
        Duration::from_secs_f64(least * (1.0 - self.jitter) / 1e3)
    }

    fn check(&self) -> Result<(), String> {
        let n = self.regions.len();
        if n == 0 || n > REGIONS_MAX {
            return Err(format!("a latency matrix of {n} regions: give 1 to {REGIONS_MAX}"));
        }
        self.regions.iter().try_for_each(|region| ids::check_weight(region.weight))?;
        if self.median_ms.len() != n || self.median_ms.iter().any(|row| row.len() != n) {
            return Err(format!(
                "median_ms of the latency matrix is not {n} rows of {n}: one for each region"
            ));
        }
        let most_ms = LATENCY_MAX.as_secs_f64() * 1e3;
        if let Some(ms) = self.median_ms.iter().flatten().find(|ms| !(0.0..=most_ms).contains(*ms)) {
            return Err(format!("median_ms has {ms}: give 0 to {most_ms}"));
        }
        if !(0.0..1.0).contains(&self.jitter) {
            return Err(format!(
                "jitter of the latency matrix is {}: give 0 or more, and less than 1",
                self.jitter
            ));
        }
        Ok(())
    }
}

/// A matrix in a file: its name, `planet`, or all of it.
mod shared {
    use super::*;

    #[derive(Deserialize)]
    #[serde(untagged, expecting = "a matrix is \"planet\", or has regions, median_ms and jitter")]
    enum Written {
        Name(Name),
        Whole(Matrix),
    }

    #[derive(Deserialize)]
    enum Name {
        #[serde(rename = "planet")]
        Planet,
    }

    pub fn serialize<S: Serializer>(matrix: &Arc<Matrix>, serializer: S) -> Result<S::Ok, S::Error> {
        if **matrix == Matrix::planet() {
            return serializer.serialize_str("planet");
        }
        Matrix::serialize(matrix, serializer)
    }

    pub fn deserialize<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Arc<Matrix>, D::Error> {
        Ok(Arc::new(match Written::deserialize(deserializer)? {
            Written::Name(Name::Planet) => Matrix::planet(),
            Written::Whole(matrix) => matrix,
        }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const A: NodeId = NodeId(0);
    const B: NodeId = NodeId(1);

    fn ms(n: u64) -> Duration {
        Duration::from_millis(n)
    }

    fn drawn_ms(latency: &Latency, from: NodeId, to: NodeId) -> Vec<f64> {
        let mut rng = Rng::seeded(3);
        (0..100_000).map(|_| latency.draw(from, to, &mut rng).as_secs_f64() * 1e3).collect()
    }

    fn mean_ms(latency: Latency) -> f64 {
        drawn_ms(&latency, A, B).iter().sum::<f64>() / 1e5
    }

    fn near(a: f64, b: f64) -> bool {
        (a / b - 1.0).abs() < 0.02
    }

    #[test]
    fn latencies_have_the_mean_they_say_and_a_floor() {
        assert!(near(mean_ms(Latency::Constant(ms(5))), 5.0));
        assert!(near(mean_ms(Latency::Uniform(ms(2), ms(6))), 4.0));
        assert!(near(mean_ms(Latency::Exponential { min: ms(10), mean: ms(30) }), 30.0));
        let log_normal = mean_ms(Latency::LogNormal { median: ms(40), sigma: 0.5 });
        assert!(near(log_normal, 40.0 * libm::exp(0.125)), "{log_normal}");
        let pareto = mean_ms(Latency::Pareto { min: ms(10), alpha: 3.0 });
        assert!(near(pareto, 15.0), "{pareto}");
        let mut rng = Rng::seeded(1);
        assert_eq!(Latency::Constant(Duration::ZERO).draw(A, B, &mut rng), LATENCY_MIN);
        assert_eq!(Latency::Constant(ms(90_000)).draw(A, B, &mut rng), LATENCY_MAX);
    }

    #[test]
    fn a_pareto_latency_has_the_tail_it_says_and_a_cap() {
        let drawn = drawn_ms(&Latency::Pareto { min: ms(10), alpha: 1.0 }, A, B);
        let above = |times: f64| drawn.iter().filter(|ms| **ms > 10.0 * times).count() as f64 / 1e5;
        assert!(near(above(4.0), 0.25), "{}", above(4.0));
        assert!((above(100.0) - 0.01).abs() < 4.0 * 0.000_32, "{}", above(100.0));
        // One draw in 6,000 is above a minute, and is cut to it.
        assert!(drawn.iter().filter(|ms| **ms == 60_000.0).count() > 3);
    }

    #[test]
    fn nothing_is_faster_than_the_floor() {
        for latency in [
            Latency::Constant(ms(5)),
            Latency::Uniform(ms(2), ms(6)),
            Latency::Exponential { min: ms(1), mean: ms(3) },
            Latency::LogNormal { median: ms(40), sigma: 2.0 },
            Latency::LogNormal { median: ms(40), sigma: 0.0 },
            Latency::Pareto { min: ms(7), alpha: 3.0 },
            Latency::planet(),
        ] {
            let floor = latency.floor();
            let mut rng = Rng::seeded(5);
            let least = (0..50_000)
                .map(|i| latency.draw(NodeId(i % 50), NodeId(i % 49), &mut rng))
                .min()
                .expect("there are some");
            assert!(floor >= LATENCY_MIN && least >= floor, "{latency:?}: {least:?} is below {floor:?}");
        }
        assert!(Latency::planet().floor() > Duration::from_micros(1_899), "2 ms less 5 %");
    }

    #[test]
    fn a_matrix_has_the_median_of_each_pair_of_regions() {
        let planet = Matrix::planet();
        let in_region: Vec<NodeId> = (0..planet.regions.len())
            .map(|r| (0..).map(NodeId).find(|id| planet.region_of(*id) == r).expect("it has a weight"))
            .collect();
        let latency = Latency::planet();
        let mut rng = Rng::seeded(6);
        for (a, row) in planet.median_ms.iter().enumerate() {
            for (b, median) in row.iter().enumerate() {
                let mut draws: Vec<Duration> =
                    (0..401).map(|_| latency.draw(in_region[a], in_region[b], &mut rng)).collect();
                draws.sort();
                // Uniform within 5 %: the median of 401 draws has a standard error of 0.25 % of the median.
                let found = draws[200].as_secs_f64() * 1e3;
                assert!((found / median - 1.0).abs() < 0.01, "{a} to {b}: {found} ms, not {median}");
            }
        }
    }

    #[test]
    fn nodes_are_spread_over_the_planet_by_weight() {
        let planet = Matrix::planet();
        let mut found = [0u32; 8];
        (0..100_000).for_each(|id| found[planet.region_of(NodeId(id))] += 1);
        let sum: f64 = PLANET.iter().map(|row| row.1).sum();
        for (row, found) in PLANET.iter().zip(found) {
            let p = row.1 / sum;
            let error = 4.0 * libm::sqrt(p * (1.0 - p) / 1e5);
            assert!((f64::from(found) / 1e5 - p).abs() < error, "{}: {found} of {p}", row.0);
        }
    }

    #[test]
    fn a_matrix_that_cannot_be_is_refused() {
        let refused = |change: &dyn Fn(&mut Matrix)| {
            let mut matrix = Matrix::planet();
            change(&mut matrix);
            Latency::Matrix(Arc::new(matrix)).check().unwrap_err()
        };
        assert!(Latency::planet().check().is_ok());
        assert!(refused(&|m| m.regions.clear()).contains("0 regions"));
        assert!(refused(&|m| drop(m.median_ms.pop())).contains("8 rows of 8"));
        assert!(refused(&|m| m.median_ms[1][2] = f64::NAN).contains("NaN"));
        assert!(refused(&|m| m.jitter = 1.0).contains("jitter"));
        assert!(refused(&|m| m.regions[0].weight = -1.0).contains("weight"));
        let thin = Latency::Pareto { min: ms(1), alpha: 0.0 };
        assert!(thin.check().unwrap_err().contains("alpha"));
    }
}
