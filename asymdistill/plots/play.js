// Moves what depends on the reader in figures that Python has drawn; the formulas are those of asymdistill.metrics.
(() => {
  const EPSILON = 1e-10; // inside the logarithm of the effective rank
  const axis = ([low, high, start, end, log]) => (value) => {
    const share = log ? Math.log(value / low) / Math.log(high / low) : (value - low) / (high - low);
    return start + share * (end - start);
  };
  const line = ([x, y], points) => {
    const [across, up] = [axis(x), axis(y)];
    return "M" + points.map((point) => across(point[0]).toFixed(1) + " " + up(point[1]).toFixed(1)).join("L");
  };
  const sum = (values) => values.reduce((total, value) => total + value, 0);
  const rank = (weights) => {
    const total = sum(weights);
    return Math.exp(-sum(weights.map((weight) => (weight / total) * Math.log(weight / total + EPSILON))));
  };
  const number = (value) => (Number.isFinite(value) ? value.toPrecision(4) : "–").replace(/\.$/, "");

  // A spectrum whose groups of components can be raised and lowered.
  const spectrum = (data, { form, draw, say, root }) => {
    const handles = [...root.querySelectorAll(".handles input")];
    const bars = [...root.querySelectorAll("[data-bar]")];
    let model, variances, whole;
    const within = ([low, high]) => sum(variances.slice(low - 1, high));
    const show = () => {
      const up = axis(data.bars[1]);
      data.groups.forEach((group, index) => {
        const share = (100 * within(group)) / whole;
        bars[index].setAttribute("y", up(share));
        bars[index].setAttribute("height", up(0) - up(share));
        bars[index].setAttribute("fill", model.colour);
        handles[index].value = share;
        handles[index].setAttribute("aria-valuetext", share.toFixed(1) + " %");
      });
      const all = form.centred.checked ? [...variances] : [model.mean, ...variances];
      const total = sum(all) || NaN;
      const held = [...all].sort((one, other) => other - one);
      for (let index = 1; index < held.length; index++) held[index] += held[index - 1];
      const dims = held.findIndex((value) => value / total >= 0.9) + 1;
      const shown = data.shown.filter((k) => k <= held.length);
      draw("held", data.curve, shown.map((k) => [k, (100 * held[k - 1]) / total || 0])).setAttribute("stroke", model.colour);
      draw("dims", data.curve, dims ? [[dims, 0], [dims, 90]] : [[1, 0]]);
      say("rank", number(rank(all)));
      say("amplitude", number(rank(all.map(Math.sqrt))));
      say("dims", dims || "–");
      say("mean", number((100 * model.mean) / (model.mean + sum(variances))));
    };
    const choose = () => {
      model = data.models[form.model.value];
      variances = model.values.map((value) => value * value);
      whole = sum(variances);
      show();
    };
    handles.forEach((handle, index) =>
      handle.addEventListener("input", () => {
        const [low, high] = data.groups[index];
        const before = within(data.groups[index]);
        const wanted = (handle.value * whole) / 100;
        const end = Math.min(high, variances.length);
        for (let k = low - 1; k < end; k++) {
          variances[k] = before > 0 ? (variances[k] * wanted) / before : wanted / (end - low + 1);
        }
        show();
      }),
    );
    form.model.addEventListener("input", choose);
    form.centred.addEventListener("input", show);
    form.reset.addEventListener("click", choose);
    choose();
  };

  // What a student knows of each of the teacher's components, if it explains a share of the variance.
  const known = {
    shrunk: (variances, share) => {
      const total = sum(variances);
      let [low, high] = [Math.log(variances[0]) - 60, Math.log(variances[0]) + 60];
      for (let step = 0; step < 60; step++) {
        const c = Math.exp((low + high) / 2);
        if (sum(variances.map((value) => (value * value) / (value + c))) > share * total) low = Math.log(c);
        else high = Math.log(c);
      }
      return variances.map((value) => value / (value + Math.exp(low)));
    },
    cut: (variances, share) => {
      let left = share * sum(variances);
      return variances.map((value) => {
        const part = Math.min(Math.max(left / Math.max(value, Number.MIN_VALUE), 0), 1);
        left -= value;
        return part;
      });
    },
  };
  const explanations = (data, { form, draw, say }) => {
    const predict = (share) => {
      const parts = known[form.explanation.value](data.variances, share);
      return [parts, rank(data.variances.map((value, k) => value * parts[k]))];
    };
    const show = () => {
      const at = form.epoch.valueAsNumber;
      const share = form.share.valueAsNumber / 100;
      const [parts, predicted] = predict(share);
      const top = data.above[1][1];
      draw("epoch", data.above, [[data.epochs[at], 0], [data.epochs[at], top]]);
      draw("explained", data.below, data.shown.map((k) => [k, parts[k - 1]]));
      say("epoch", data.epochs[at]);
      say("share", number(100 * share));
      say("rank", number(data.ranks[at]));
      say("predicted", number(predicted));
      const misfit = data.bins.map(([k, value]) => Math.abs(parts[Math.round(k) - 1] - value));
      say("misfit", (sum(misfit) / misfit.length).toFixed(3));
      form.epoch.setAttribute("aria-valuetext", data.epochs[at]);
    };
    const explain = () => {
      const ranks = data.shares.map((share) => predict(share)[1]);
      draw("predicted", data.above, ranks.map((value, index) => [data.epochs[index], value]));
      show();
    };
    form.explanation.forEach((radio) => radio.addEventListener("input", explain));
    form.epoch.addEventListener("input", () => {
      form.share.value = 100 * data.shares[form.epoch.valueAsNumber];
      show();
    });
    form.share.addEventListener("input", show);
    explain();
  };

  // Accuracies that were measured: nothing is computed but what is lost.
  const truncation = (data, { root, form, draw, say }) => {
    const show = () => {
      const [at, level] = [form.kept.valueAsNumber, form.sigma.valueAsNumber];
      const ends = [data.kept[0], data.kept.at(-1)];
      const tell = (name, values) => {
        say(name, number(values[level]));
        say(name + " lost", (values[0] - values[level]).toFixed(1));
      };
      for (const [name, values] of Object.entries(data.lines)) {
        draw(name, data.panel, ends.map((k) => [k, values[level]]));
        tell(name, values);
      }
      draw("cut", data.panel, data.cut[level].map((value, index) => [data.kept[index], value]));
      draw("kept", data.panel, [[data.kept[at], 0], [data.kept[at], 100]]);
      tell("cut", data.cut.map((values) => values[at]));
      say("kept", data.kept[at]);
      say("sigma", data.sigmas[level]);
      say("rank", number(data.ranks[at]));
      form.kept.setAttribute("aria-valuetext", data.kept[at]);
      form.sigma.setAttribute("aria-valuetext", data.sigmas[level]);
    };
    root.addEventListener("input", show);
    show();
  };

  const kinds = { spectrum, explanations, truncation };
  for (const figure of document.querySelectorAll(".play:not([data-ready])")) {
    figure.dataset.ready = "";
    for (const root of figure.querySelectorAll("section")) {
      const draw = (name, panel, points) => {
        const path = root.querySelector(`path[data-name="${CSS.escape(name)}"]`);
        path.setAttribute("d", line(panel, points));
        return path;
      };
      const say = (name, value) => (root.querySelector(`output[name="${CSS.escape(name)}"]`).textContent = value);
      const form = root.querySelector("form").elements;
      const data = JSON.parse(root.querySelector("script").textContent);
      kinds[figure.dataset.play](data, { root, form, draw, say });
    }
    const chooser = figure.querySelector("select[name=run]");
    chooser?.addEventListener("input", () => {
      for (const root of figure.querySelectorAll("section")) root.hidden = root.dataset.run !== chooser.value;
    });
    figure.querySelectorAll("form, .handles").forEach((part) => (part.hidden = false));
  }
})();
