// Draws a dashboard with Grafana's own components, from `window.picture`.
import * as grafana from '@grafana/data';
import { BarGauge, BigValue, GlobalStyles, PanelChrome, TimeSeries, VizRepeater } from '@grafana/ui';
import { TableNG } from '@grafana/ui/unstable';
import '@grafana/react-data-grid/lib/styles.css';
import { createRoot } from 'react-dom/client';
import 'uplot/dist/uPlot.min.css';
import { prepared } from './frames.mjs';

const GAP = 8, LINE = 38; // pixels, as in Grafana's grid of 24 columns
const { dashboard, answers, since, until } = window.picture;
const column = (window.innerWidth - GAP) / 24;
const theme = grafana.createTheme({ colors: { mode: 'dark' } });

function Figure({ panel, value, ...place }) {
  const { colorMode, graphMode, textMode } = panel.options;
  return (
    <BigValue value={value.display} sparkline={value.sparkline} theme={theme} justifyMode="auto"
      colorMode={colorMode} graphMode={graphMode} textMode={textMode} {...place} />
  );
}

function Bar({ panel, value, ...place }) {
  const { displayMode, namePlacement, valueMode, showUnfilled } = panel.options;
  return (
    <BarGauge value={value.display} field={value.field} theme={theme} itemSpacing={GAP}
      display={value.view?.getFieldDisplayProcessor(value.colIndex)} displayMode={displayMode}
      namePlacement={namePlacement} valueDisplayMode={valueMode} showUnfilled={showUnfilled} {...place} />
  );
}

function Repeated({ panel, data, width, height }) {
  const { options } = panel;
  const Each = panel.type === 'stat' ? Figure : Bar;
  const values = () => grafana.getFieldDisplayValues({
    data, theme, timeZone: 'utc', reduceOptions: options.reduceOptions,
    fieldConfig: { overrides: [], ...panel.fieldConfig }, replaceVariables: (text) => text,
    sparkline: options.graphMode === 'area',
  });
  return (
    <VizRepeater source={data} getValues={values} width={width} height={height} renderCounter={0}
      getAlignmentFactors={grafana.getDisplayValueAlignmentFactors} itemSpacing={GAP}
      orientation={options.orientation} minVizHeight={options.minVizHeight}
      maxVizHeight={options.maxVizHeight} renderValue={(place) => <Each panel={panel} {...place} />} />
  );
}

function Series({ panel, data, width, height }) {
  // The panel's own range goes before the dashboard's.
  const days = panel.timeFrom ? parseInt(panel.timeFrom, 10) : 0;
  const from = grafana.dateTime((days ? until - days * 86_400 : since) * 1000);
  const to = grafana.dateTime(until * 1000);
  return (
    <TimeSeries frames={data} width={width} height={height} timeZone="utc" options={panel.options}
      timeRange={{ from, to, raw: { from, to } }} legend={panel.options.legend} />
  );
}

function Content({ panel, data, ...size }) {
  if (panel.type !== 'stat' && data.every((frame) => frame.length === 0)) {
    return <p>{panel.fieldConfig.defaults.noValue ?? 'No data'}</p>;
  }
  switch (panel.type) {
    case 'timeseries':
      return <Series panel={panel} data={data} {...size} />;
    case 'table':
      return <TableNG data={data[0]} structureRev={1} {...size} />;
    case 'stat':
    case 'bargauge':
      return <Repeated panel={panel} data={data} {...size} />;
    default: // not among the components that Grafana publishes
      return <p>A {panel.type}, which only Grafana itself draws.</p>;
  }
}

function Panel({ panel, data }) {
  const { x, y, w, h } = panel.gridPos;
  const style = { position: 'absolute', left: GAP + x * column, top: GAP + y * LINE };
  if (panel.type === 'row') {
    return <h5 style={style}>{panel.title}</h5>;
  }
  return (
    <div style={style}>
      <PanelChrome title={panel.title} width={w * column - GAP} height={h * LINE - GAP}>
        {(width, height) => <Content panel={panel} data={data} width={width} height={height} />}
      </PanelChrome>
    </div>
  );
}

const data = await Promise.all(dashboard.panels.map(async (panel) =>
  (panel.type === 'row' ? [] : prepared(panel, answers[panel.id], theme))));
createRoot(document.getElementById('root')).render(
  <grafana.ThemeContext.Provider value={theme}>
    <GlobalStyles />
    {dashboard.panels.map((panel, place) => <Panel key={panel.id} panel={panel} data={data[place]} />)}
  </grafana.ThemeContext.Provider>,
);
