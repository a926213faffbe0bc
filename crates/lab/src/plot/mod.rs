//! Curves and bands as SVG: simulation as lines and points, theory dashed over it, readable on a light and on a dark page.
//!
//! Written by hand rather than with a plotting crate: two hundred lines suffice, the colours follow the reader's scheme, and the same figures give the same
//! bytes on every machine.

mod axis;

use axis::Axis;
use std::fmt::Write;

/// A picture with two axes.
#[derive(Clone, Debug, Default)]
pub struct Plot {
    /// The title.
    pub title: String,
    /// Quantity and unit of the horizontal axis.
    pub x: String,
    /// Quantity and unit of the vertical axis.
    pub y: String,
    /// Whether the horizontal axis is logarithmic; points at or below 0 are then left out.
    pub log_x: bool,
    /// Whether the vertical axis is logarithmic.
    pub log_y: bool,
    /// The series, the first at the bottom.
    pub series: Vec<Series>,
    /// A remark under the title; empty: none.
    pub note: String,
}

/// One curve, band or cloud.
#[derive(Clone, Debug)]
pub struct Series {
    /// Its name in the legend; empty: none.
    pub name: String,
    /// Its form.
    pub draw: Draw,
}

/// The form of a series. Coordinates are those of the axes.
#[derive(Clone, Debug)]
pub enum Draw {
    /// Simulation: a line.
    Line(Vec<(f64, f64)>),
    /// Theory: a dashed line, in the colour of the series before it if that has the same number.
    Dashed(Vec<(f64, f64)>),
    /// Single figures: dots.
    Points(Vec<(f64, f64)>),
    /// Between a low and a high value at each x: a shaded area.
    Band(Vec<(f64, f64, f64)>),
}

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 420.0;
const LEFT: f64 = 76.0;
const RIGHT: f64 = 20.0;
const TOP: f64 = 40.0;
const BOTTOM: f64 = 54.0;
/// Upper bound on the lines of the legend; further series are drawn, but not named.
const LEGEND_MAX: usize = 14;

/// Colours that stay apart for colour-blind readers (Okabe and Ito 2008), on light and on dark.
const COLOURS: [(&str, &str); 7] = [
    ("#0072b2", "#56b4e9"),
    ("#d55e00", "#ff9248"),
    ("#007f5f", "#2fd3a5"),
    ("#a4508b", "#e39ac9"),
    ("#8a6d00", "#e6c94d"),
    ("#4b5563", "#aab4c3"),
    ("#b3001b", "#ff7a8a"),
];

impl Plot {
    /// A plot with this title and these axes.
    pub fn new(title: impl Into<String>, x: impl Into<String>, y: impl Into<String>) -> Plot {
        Plot { title: title.into(), x: x.into(), y: y.into(), ..Plot::default() }
    }

    /// Makes the horizontal axis logarithmic.
    pub fn log_x(mut self) -> Plot {
        self.log_x = true;
        self
    }

    /// Makes the vertical axis logarithmic.
    pub fn log_y(mut self) -> Plot {
        self.log_y = true;
        self
    }

    /// Adds a series.
    pub fn add(&mut self, name: impl Into<String>, draw: Draw) -> &mut Plot {
        self.series.push(Series { name: name.into(), draw });
        self
    }

    /// Puts a remark under the title.
    pub fn note(&mut self, note: impl Into<String>) -> &mut Plot {
        self.note = note.into();
        self
    }

    /// The plot as an SVG document. The same plot gives the same bytes.
    pub fn svg(&self) -> String {
        let points = || self.series.iter().flat_map(|series| series.draw.extent());
        let x = Axis::over(points().map(|(x, _)| x), self.log_x, LEFT, WIDTH - RIGHT);
        let y = Axis::over(points().map(|(_, y)| y), self.log_y, HEIGHT - BOTTOM, TOP);
        let mut svg = String::new();
        self.head(&mut svg);
        self.axes(&mut svg, &x, &y);
        for (at, series) in self.series.iter().enumerate() {
            series.draw.paint(&mut svg, self.colour(at), &x, &y);
        }
        self.legend(&mut svg);
        svg.push_str("</svg>\n");
        svg
    }

    /// Each series has its own colour, except that theory takes that of the simulation before it.
    fn colour(&self, at: usize) -> usize {
        let mut colour = 0;
        for i in 1..=at {
            let (before, this) = (&self.series[i - 1].draw, &self.series[i].draw);
            let same = matches!((before, this), (Draw::Line(_) | Draw::Points(_), Draw::Dashed(_)))
                || matches!((before, this), (Draw::Band(_), Draw::Line(_) | Draw::Points(_)));
            colour += usize::from(!same);
        }
        colour % COLOURS.len()
    }

    fn head(&self, svg: &mut String) {
        let _ = write!(
            svg,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" \
             font-family=\"system-ui, sans-serif\" font-size=\"13\">\n<title>{}</title>\n<style>\n",
            escaped(&self.title)
        );
        let sheet = |ink: &str, faint: &str, page: &str, pick: &dyn Fn(&(&str, &str)) -> String| {
            let mut sheet =
                format!(".ink{{fill:{ink}}} .rule{{stroke:{faint};stroke-width:1}} .page{{fill:{page}}}");
            for (at, colour) in COLOURS.iter().enumerate() {
                let c = pick(colour);
                let _ = write!(sheet, " .s{at}{{stroke:{c}}} .f{at}{{fill:{c}}}");
            }
            sheet
        };
        let light = sheet("#1f2328", "#d8dee4", "#ffffff", &|c| c.0.to_owned());
        let dark = sheet("#e6edf3", "#3a424c", "#0d1117", &|c| c.1.to_owned());
        let _ = write!(svg, "{light}\n@media (prefers-color-scheme: dark) {{ {dark} }}\n</style>\n");
        let _ = writeln!(svg, "<rect class=\"page\" width=\"{WIDTH}\" height=\"{HEIGHT}\"/>");
        let _ = writeln!(
            svg,
            "<text class=\"ink\" x=\"{LEFT}\" y=\"24\" font-size=\"15\" font-weight=\"600\">{}</text>",
            escaped(&self.title)
        );
        if !self.note.is_empty() {
            let _ = writeln!(
                svg,
                "<text class=\"ink\" x=\"{LEFT}\" y=\"37\" font-size=\"11\">{}</text>",
                escaped(&self.note)
            );
        }
    }

    fn axes(&self, svg: &mut String, x: &Axis, y: &Axis) {
        let (bottom, right) = (HEIGHT - BOTTOM, WIDTH - RIGHT);
        for (value, label) in x.ticks() {
            let at = px(x.place(value));
            let _ =
                writeln!(svg, "<line class=\"rule\" x1=\"{at}\" y1=\"{TOP}\" x2=\"{at}\" y2=\"{bottom}\"/>");
            let _ = writeln!(
                svg,
                "<text class=\"ink\" x=\"{at}\" y=\"{}\" text-anchor=\"middle\">{label}</text>",
                px(bottom + 18.0)
            );
        }
        for (value, label) in y.ticks() {
            let at = px(y.place(value));
            let _ =
                writeln!(svg, "<line class=\"rule\" x1=\"{LEFT}\" y1=\"{at}\" x2=\"{right}\" y2=\"{at}\"/>");
            let _ = writeln!(
                svg,
                "<text class=\"ink\" x=\"{}\" y=\"{}\" text-anchor=\"end\">{label}</text>",
                px(LEFT - 8.0),
                px(y.place(value) + 4.5)
            );
        }
        let _ = writeln!(
            svg,
            "<text class=\"ink\" x=\"{}\" y=\"{}\" text-anchor=\"middle\">{}</text>",
            px((LEFT + right) / 2.0),
            px(HEIGHT - 14.0),
            escaped(&self.x)
        );
        let middle = px((TOP + bottom) / 2.0);
        let _ = writeln!(
            svg,
            "<text class=\"ink\" x=\"18\" y=\"{middle}\" text-anchor=\"middle\" transform=\"rotate(-90 18 {middle})\">{}</text>",
            escaped(&self.y)
        );
    }

    /// The side with most room for the legend: the one with fewer points in the upper half.
    fn legend(&self, svg: &mut String) {
        let named: Vec<(usize, &Series)> =
            self.series.iter().enumerate().filter(|(_, s)| !s.name.is_empty()).take(LEGEND_MAX).collect();
        let longest = named.iter().map(|(_, s)| s.name.chars().count()).max().unwrap_or(0) as f64;
        let width = longest * 7.0 + 44.0;
        let points = || self.series.iter().flat_map(|series| series.draw.extent());
        let x = Axis::over(points().map(|(x, _)| x), self.log_x, 0.0, 1.0);
        let y = Axis::over(points().map(|(_, y)| y), self.log_y, 0.0, 1.0);
        let placed: Vec<(f64, f64)> = points()
            .filter(|(a, b)| x.shows(*a) && y.shows(*b))
            .map(|(a, b)| (x.place(a), y.place(b)))
            .collect();
        let in_corner = |left: bool, top: bool| {
            placed.iter().filter(|(a, b)| (*a < 0.45) == left && (*b > 0.5) == top).count()
        };
        let corners = [(false, false), (false, true), (true, true), (true, false)];
        let (left, top) =
            corners.into_iter().min_by_key(|(left, top)| in_corner(*left, *top)).unwrap_or((false, false));
        let height = named.len() as f64 * 19.0;
        let at_x = if left { LEFT + 12.0 } else { WIDTH - RIGHT - width - 8.0 };
        let at_y = if top { TOP + 10.0 } else { HEIGHT - BOTTOM - height - 10.0 };
        if !named.is_empty() {
            let _ = writeln!(
                svg,
                "<rect class=\"page\" fill-opacity=\"0.85\" x=\"{}\" y=\"{}\" width=\"{}\" height=\"{}\" rx=\"4\"/>",
                px(at_x - 6.0),
                px(at_y - 4.0),
                px(width + 6.0),
                px(height + 8.0)
            );
        }
        for (line, (at, series)) in named.into_iter().enumerate() {
            let y = at_y + line as f64 * 19.0 + 10.0;
            series.draw.sample(svg, self.colour(at), at_x, y);
            let _ = writeln!(
                svg,
                "<text class=\"ink\" x=\"{}\" y=\"{}\">{}</text>",
                px(at_x + 34.0),
                px(y + 4.5),
                escaped(&series.name)
            );
        }
    }
}

impl Draw {
    /// All values that the axes must hold.
    fn extent(&self) -> Vec<(f64, f64)> {
        match self {
            Draw::Line(points) | Draw::Dashed(points) | Draw::Points(points) => points.clone(),
            Draw::Band(band) => band.iter().flat_map(|(x, low, high)| [(*x, *low), (*x, *high)]).collect(),
        }
    }

    fn paint(&self, svg: &mut String, colour: usize, x: &Axis, y: &Axis) {
        let shown = |points: &[(f64, f64)]| {
            let mut place = String::new();
            for (a, b) in points.iter().filter(|(a, b)| x.shows(*a) && y.shows(*b)) {
                let _ = write!(place, "{},{} ", px(x.place(*a)), px(y.place(*b)));
            }
            place.trim_end().to_owned()
        };
        match self {
            Draw::Line(points) => {
                let _ = writeln!(
                    svg,
                    "<polyline class=\"s{colour}\" fill=\"none\" stroke-width=\"2\" points=\"{}\"/>",
                    shown(points)
                );
            }
            Draw::Dashed(points) => {
                let _ = writeln!(
                    svg,
                    "<polyline class=\"s{colour}\" fill=\"none\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\" points=\"{}\"/>",
                    shown(points)
                );
            }
            Draw::Points(points) => {
                for (a, b) in points.iter().filter(|(a, b)| x.shows(*a) && y.shows(*b)) {
                    let (a, b) = (px(x.place(*a)), px(y.place(*b)));
                    let _ = writeln!(svg, "<circle class=\"f{colour}\" cx=\"{a}\" cy=\"{b}\" r=\"3.5\"/>");
                }
            }
            Draw::Band(band) => {
                let there = band.iter().map(|(x, low, _)| (*x, *low));
                let back = band.iter().rev().map(|(x, _, high)| (*x, *high));
                let outline: Vec<(f64, f64)> = there.chain(back).collect();
                let _ = writeln!(
                    svg,
                    "<polygon class=\"f{colour}\" fill-opacity=\"0.2\" points=\"{}\"/>",
                    shown(&outline)
                );
            }
        }
    }

    /// The mark of a form in the legend.
    fn sample(&self, svg: &mut String, colour: usize, x: f64, y: f64) {
        let (x0, x1, y) = (px(x), px(x + 26.0), px(y));
        let _ = match self {
            Draw::Line(_) => writeln!(
                svg,
                "<line class=\"s{colour}\" stroke-width=\"2\" x1=\"{x0}\" y1=\"{y}\" x2=\"{x1}\" y2=\"{y}\"/>"
            ),
            Draw::Dashed(_) => writeln!(
                svg,
                "<line class=\"s{colour}\" stroke-width=\"1.5\" stroke-dasharray=\"6 4\" x1=\"{x0}\" y1=\"{y}\" x2=\"{x1}\" y2=\"{y}\"/>"
            ),
            Draw::Points(_) => {
                writeln!(svg, "<circle class=\"f{colour}\" cx=\"{}\" cy=\"{y}\" r=\"3.5\"/>", px(x + 13.0))
            }
            Draw::Band(_) => writeln!(
                svg,
                "<line class=\"s{colour}\" stroke-width=\"10\" stroke-opacity=\"0.2\" x1=\"{x0}\" y1=\"{y}\" x2=\"{x1}\" y2=\"{y}\"/>"
            ),
        };
    }
}

/// A coordinate: two digits are finer than any screen.
fn px(v: f64) -> String {
    let text = format!("{v:.2}");
    text.trim_end_matches('0').trim_end_matches('.').to_owned()
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plot() -> Plot {
        let mut plot = Plot::new("s < 1 & \"more\"", "rounds", "part that knows").log_y();
        let curve: Vec<(f64, f64)> = (0..20).map(|i| (f64::from(i), libm::exp(-f64::from(i)))).collect();
        plot.add("spread", Draw::Band(curve.iter().map(|(x, y)| (*x, y / 2.0, y * 2.0)).collect()))
            .add("simulated", Draw::Line(curve.clone()))
            .add("theory", Draw::Dashed(curve.clone()))
            .add("paper", Draw::Points(vec![(1.0, 0.3), (2.0, 0.0), (f64::NAN, 1.0)]));
        plot
    }

    /// Every element that is opened is closed, in order, and attributes are quoted.
    fn assert_well_formed(svg: &str) {
        let mut open = Vec::new();
        let mut rest = svg;
        while let Some(at) = rest.find('<') {
            assert!(!rest[..at].contains('>'), "a stray > before {}", &rest[at..]);
            let end = rest[at..].find('>').expect("a tag ends") + at;
            let tag = &rest[at + 1..end];
            assert_eq!(tag.matches('"').count() % 2, 0, "{tag}");
            match tag.strip_prefix('/') {
                Some(name) => assert_eq!(open.pop(), Some(name), "closed in order"),
                None if tag.ends_with('/') => {}
                None => open.push(tag.split(' ').next().expect("it has a name")),
            }
            rest = &rest[end + 1..];
        }
        assert!(open.is_empty(), "left open: {open:?}");
    }

    #[test]
    fn the_picture_is_well_formed_and_names_everything() {
        let svg = plot().svg();
        assert_well_formed(&svg);
        for text in
            ["s &lt; 1 &amp; &quot;more&quot;", "rounds", "part that knows", "simulated", "theory", "paper"]
        {
            assert!(svg.contains(&format!(">{text}<")), "{text}");
        }
        assert!(svg.contains("prefers-color-scheme: dark") && svg.contains("stroke-dasharray"));
        assert!(!svg.contains("NaN") && !svg.contains("inf"));
    }

    #[test]
    fn the_same_plot_gives_the_same_bytes() {
        assert_eq!(plot().svg(), plot().svg());
    }

    #[test]
    fn what_a_logarithmic_axis_cannot_show_is_left_out() {
        let svg = plot().svg();
        // One in the picture and one in the legend: 0 and NaN are neither.
        assert_eq!(svg.matches("<circle").count(), 2);
    }

    #[test]
    fn theory_has_the_colour_of_the_simulation_that_it_is_drawn_over() {
        let plot = plot();
        assert_eq!([0, 1, 2, 3].map(|at| plot.colour(at)), [0, 0, 0, 1]);
    }

    #[test]
    fn an_empty_plot_is_a_picture_too() {
        assert_well_formed(&Plot::new("nothing", "x", "y").svg());
        let mut one = Plot::new("a point", "x", "y").log_x();
        one.add("", Draw::Points(vec![(5.0, 5.0)]));
        assert_well_formed(&one.svg());
    }
}
