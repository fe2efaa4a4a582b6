// From what a Prometheus answered to what Grafana's panels are given, by Grafana's own code.
import * as grafana from '@grafana/data';

// The options that panels register, as far as the dashboards set them, and Grafana's defaults.
const STANDARD = ['unit', 'decimals', 'min', 'max', 'displayName', 'noValue', 'color', 'thresholds',
  'mappings', 'links'];
const CUSTOM = {
  timeseries: {
    drawStyle: 'line', lineInterpolation: 'linear', lineWidth: 1, lineStyle: { fill: 'solid' },
    fillOpacity: 0, gradientMode: 'none', showPoints: 'auto', pointSize: 5, spanNulls: false,
    barAlignment: 0, barWidthFactor: 0.6, stacking: { mode: 'none' }, axisPlacement: 'auto',
    axisColorMode: 'text', axisSoftMin: null, thresholdsStyle: { mode: 'off' }, hideFrom: {},
    scaleDistribution: { type: 'linear' },
  },
  table: { align: 'auto', cellOptions: { type: 'auto' }, width: null, minWidth: 50 },
};
const same = (value) => value;

grafana.standardTransformersRegistry.setInit(() =>
  ['merge', 'organize'].map((id) => ({
    id,
    name: id,
    transformation: async () => Object.values(grafana.standardTransformers).find((t) => t.id === id),
  })));

function registry(type) {
  const option = (id, path, isCustom) =>
    ({ id, path, isCustom, name: id, process: same, override: same, shouldApply: () => true });
  return new grafana.Registry(() => [
    ...STANDARD.map((name) => option(name, name, false)),
    ...Object.keys(CUSTOM[type] ?? {}).map((name) => option(`custom.${name}`, name, true)),
  ]);
}

// A table has a frame for each query, anything else one for each series.
function frames(panel, answers) {
  return panel.targets.flatMap((target) => {
    const { step, series } = answers[target.refId];
    const value = panel.targets.length > 1 ? `Value #${target.refId}` : 'Value';
    return target.format === 'table' ? [rows(series, value)] : series.map((s) => line(s, target, step));
  });
}

function line({ labels, points }, target, step) {
  const legend = target.legendFormat ?? '';
  const name = legend.replace(/\{\{(\w+)\}\}/g, (_, label) => labels[label] ?? '');
  const config = name ? { displayNameFromDS: name } : {};
  return grafana.createDataFrame({
    fields: [
      { name: 'Time', values: points.map(([time]) => time * 1000), config: { interval: step * 1000 },
        type: grafana.FieldType.time },
      { name: 'Value', values: points.map(([, value]) => value), labels, config,
        type: grafana.FieldType.number },
    ],
  });
}

function rows(series, value) {
  const names = [...new Set(series.flatMap(({ labels }) => Object.keys(labels)))].sort();
  const column = (name, type, of) => ({ name, type, values: series.map(of) });
  return grafana.createDataFrame({
    fields: [
      column('Time', grafana.FieldType.time, ({ points }) => points[0][0] * 1000),
      ...names.map((name) => column(name, grafana.FieldType.string, (s) => s.labels[name] ?? '')),
      column(value, grafana.FieldType.number, ({ points }) => points[0][1]),
    ],
  });
}

export async function prepared(panel, answers, theme) {
  const { defaults, overrides } = panel.fieldConfig;
  const raw = await new Promise((done) =>
    grafana.transformDataFrame(panel.transformations ?? [], frames(panel, answers)).subscribe(done));
  const data = grafana.applyFieldOverrides({
    data: raw,
    fieldConfig: {
      defaults: { ...defaults, custom: { ...CUSTOM[panel.type], ...defaults.custom } },
      overrides: overrides ?? [],
    },
    fieldConfigRegistry: registry(panel.type),
    replaceVariables: same,
    theme,
    timeZone: 'utc',
  });
  grafana.cacheFieldDisplayNames(data);
  return data;
}
