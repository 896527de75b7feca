//! Draws the figures over time.

use std::fmt::Write;

use super::{Event, Point};

const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 130.0;
const MARGIN: f64 = 60.0;

/// One line of a panel.
type Line = (&'static str, fn(&Point) -> Option<f64>);

/// The panels: a title, and one or two lines with their colours.
const PANELS: [(&str, &[Line]); 4] = [
    (
        "memory of the service, MB",
        &[("#06c", |point| Some(point.megabytes))],
    ),
    (
        "open descriptors",
        &[("#06c", |point| Some(point.descriptors))],
    ),
    (
        "connections to the database",
        &[("#06c", |point| point.connections)],
    ),
    (
        "latency, ms: p50 and p99",
        &[("#06c", |point| point.p50), ("#c60", |point| point.p99)],
    ),
];

/// The picture: one panel below another, with the faults as grey areas.
pub fn picture(points: &[Point], events: &[Event]) -> String {
    let end = points.last().map_or(1.0, |point| point.seconds);
    let x = |seconds: f64| MARGIN + seconds.min(end) / end * WIDTH;
    let (width, height) = (WIDTH + 2.0 * MARGIN, 4.0 * (HEIGHT + 40.0) + 30.0);
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" \
         font-family=\"sans-serif\" font-size=\"12\">\n\
         <rect width=\"{width}\" height=\"{height}\" fill=\"#fff\"/>\n"
    );
    for event in events {
        let (from, to) = (x(event.from), x(event.to));
        let _ = writeln!(
            svg,
            "<rect x=\"{from:.1}\" y=\"20\" width=\"{:.1}\" height=\"{:.1}\" fill=\"#eee\">\
             <title>{}</title></rect>",
            (to - from).max(1.0),
            height - 50.0,
            event.name
        );
    }
    for (index, (title, lines)) in (0u32..).zip(PANELS) {
        let top = 30.0 + f64::from(index) * (HEIGHT + 40.0);
        let values = lines
            .iter()
            .flat_map(|(_, value)| points.iter().filter_map(value));
        let largest = values.fold(1.0, f64::max);
        let bottom = top + HEIGHT;
        let _ = writeln!(
            svg,
            "<text x=\"{MARGIN}\" y=\"{:.1}\">{title}</text>\n\
             <text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{largest:.0}</text>\n\
             <text x=\"{:.1}\" y=\"{bottom:.1}\" text-anchor=\"end\">0</text>\n\
             <path d=\"M{MARGIN} {top:.1}V{bottom:.1}h{WIDTH}\" fill=\"none\" stroke=\"#999\"/>",
            top - 6.0,
            MARGIN - 6.0,
            top + 10.0,
            MARGIN - 6.0,
        );
        for (colour, value) in lines {
            let coordinates = points.iter().filter_map(|point| {
                let y = bottom - value(point)? / largest * HEIGHT;
                Some(format!("{:.1},{y:.1}", x(point.seconds)))
            });
            let coordinates = coordinates.collect::<Vec<_>>().join(" ");
            let _ = writeln!(
                svg,
                "<polyline points=\"{coordinates}\" fill=\"none\" stroke=\"{colour}\"/>"
            );
        }
    }
    let _ = write!(
        svg,
        "<text x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{:.0} minutes; grey: faults</text>\n</svg>\n",
        MARGIN + WIDTH,
        height - 8.0,
        end / 60.0
    );
    svg
}
