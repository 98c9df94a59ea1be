// Functions whose accuracy WGSL leaves to drivers, to within about an ulp. Comparisons, unlike min and max, keep NaN.

const LOWEST = -3.40282347e+38; // WGSL has no way to write minus infinity

fn greater(a: f32, b: f32) -> f32 {
    return select(a, b, b > a);
}

// 2^n · e^r with |r| ≤ ln2 / 2 (Cody and Waite's reduction, Cephes' polynomial), for x ≤ 88. Denormals may become zero.
fn exp_(x: f32) -> f32 {
    if x < -104.0 {
        return 0.0;
    }
    let n = round(x * 1.44269504);
    let r = (x - n * 0.693359375) + n * 2.12194440e-4;
    var p = 1.9875691500e-4;
    p = p * r + 1.3981999507e-3;
    p = p * r + 8.3334519073e-3;
    p = p * r + 4.1665795894e-2;
    p = p * r + 1.6666665459e-1;
    p = p * r + 5.0000001201e-1;
    let e = p * r * r + r + 1.0;
    let whole = i32(n);
    let half = whole / 2;
    return e * bitcast<f32>((half + 127) << 23u) * bitcast<f32>((whole - half + 127) << 23u);
}

fn tanh_(x: f32) -> f32 {
    let size = abs(x);
    if size < 0.2 {
        let z = x * x; // the series, as far as it counts here
        return x + x * z * (-0.33333333 + z * (0.13333333 + z * (-0.053968254 + z * (0.021869489 - z * 0.0088632355))));
    }
    if size > 10.0 {
        return sign(x);
    }
    return sign(x) * (1.0 - 2.0 / (exp_(2.0 * size) + 1.0));
}
